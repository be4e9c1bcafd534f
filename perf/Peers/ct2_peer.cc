// CTranslate2 as a peer: run JSON-lines cases through it, or time it on one shape.
//   ct2_peer MODEL run  [COMPUTE_TYPE [THREADS]]   < cases.jsonl > answers.jsonl   (keys as in tests/data/ct2/*.expected.json)
//   ct2_peer MODEL bench COMPUTE_TYPE THREADS BATCH LENGTH BEAM REPETITIONS [REPLICAS]
// bench: random words w10..w31989 of a 32,000-word model (written by perf/WholeModels/ModelWriter.cs), LENGTH tokens in,
// exactly LENGTH out; prints the median, least and largest time of translating REPLICAS batches (one replica each) in
// milliseconds.
// g++ -O2 -std=c++17 ct2_peer.cc -I<prefix>/include -I<source>/include -L<prefix>/lib -lctranslate2 -o ct2_peer
#include <ctranslate2/translator.h>
#include <nlohmann/json.hpp>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <iostream>

using json = nlohmann::json;
using namespace ctranslate2;

static int bench(Translator& translator, char** args, int replicas) {
  const int batch = std::atoi(args[0]), length = std::atoi(args[1]), beam = std::atoi(args[2]), repetitions = std::atoi(args[3]);
  std::vector<std::vector<std::string>> source(batch);
  unsigned state = 1;
  for (auto& sentence : source)
    for (int i = 0; i < length; ++i) {
      state = state * 1664525u + 1013904223u;
      sentence.push_back("w" + std::to_string(10 + (state >> 8) % 31980));
    }
  TranslationOptions options;
  options.beam_size = beam;
  options.max_decoding_length = options.min_decoding_length = length;

  std::vector<double> times;
  for (int r = 0; r <= repetitions; ++r) {  // the first is a warm-up
    const auto start = std::chrono::steady_clock::now();
    std::vector<std::vector<std::future<TranslationResult>>> running;
    for (int k = 0; k < replicas; ++k)
      running.push_back(translator.translate_batch_async(source, {}, options));
    for (auto& results : running)
      for (auto& result : results)
        result.get();
    const double ms = std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - start).count();
    if (r > 0)
      times.push_back(ms);
  }
  std::sort(times.begin(), times.end());
  std::printf("batch %d x %d replicas, length %d, beam %d: median %.1f ms, min %.1f, max %.1f\n",
              batch, replicas, length, beam, times[times.size() / 2], times.front(), times.back());
  return 0;
}

template <typename T>
static void set(const json& options, const char* name, T& field) {
  if (options.contains(name))
    field = options[name].get<T>();
}

static json answer(Translator& translator, const json& ask) {
  const std::vector<std::string> source = ask["source"];
  json out;
  if (ask.value("task", "translate") == "score") {
    const auto result = translator.score_batch({source}, {ask["target"].get<std::vector<std::string>>()}, ScoringOptions());
    out["tokens"] = result[0].tokens;
    out["tokens_score"] = result[0].tokens_score;
    return out;
  }
  const json given = ask.value("options", json::object());
  TranslationOptions o;
  o.return_scores = true;
  set(given, "beam_size", o.beam_size);
  set(given, "num_hypotheses", o.num_hypotheses);
  set(given, "patience", o.patience);
  set(given, "length_penalty", o.length_penalty);
  set(given, "coverage_penalty", o.coverage_penalty);
  set(given, "repetition_penalty", o.repetition_penalty);
  set(given, "no_repeat_ngram_size", o.no_repeat_ngram_size);
  set(given, "disable_unk", o.disable_unk);
  set(given, "suppress_sequences", o.suppress_sequences);
  set(given, "prefix_bias_beta", o.prefix_bias_beta);
  set(given, "return_end_token", o.return_end_token);
  set(given, "max_input_length", o.max_input_length);
  set(given, "max_decoding_length", o.max_decoding_length);
  set(given, "min_decoding_length", o.min_decoding_length);
  set(given, "return_attention", o.return_attention);
  set(given, "return_alternatives", o.return_alternatives);
  set(given, "min_alternative_expansion_prob", o.min_alternative_expansion_prob);
  set(given, "replace_unknowns", o.replace_unknowns);
  if (given.contains("end_token"))
    o.end_token = given["end_token"].get<std::string>();
  std::vector<std::vector<std::string>> prefix;
  if (ask.contains("target_prefix"))
    prefix.push_back(ask["target_prefix"].get<std::vector<std::string>>());
  const auto result = prefix.empty() ? translator.translate_batch({source}, o) : translator.translate_batch({source}, prefix, o);
  out["hypotheses"] = result[0].hypotheses;
  out["scores"] = result[0].scores;
  if (o.return_attention)
    out["attention"] = result[0].attention;
  return out;
}

int main(int count, char** args) {
  if (count < 3) {
    std::fprintf(stderr, "usage: see the head of ct2_peer.cc\n");
    return 2;
  }
  models::ModelLoader loader(args[1]);
  loader.device = Device::CPU;
  loader.compute_type = str_to_compute_type(count > 3 ? args[3] : "default");
  const int replicas = count > 9 ? std::atoi(args[9]) : 1;
  loader.num_replicas_per_device = replicas;
  ReplicaPoolConfig pool;
  pool.num_threads_per_replica = count > 4 ? std::atoi(args[4]) : 1;
  Translator translator(loader, pool);
  if (std::string(args[2]) == "bench" && count >= 9)
    return bench(translator, args + 5, replicas);
  for (std::string line; std::getline(std::cin, line);)
    if (!line.empty())
      std::cout << answer(translator, json::parse(line)).dump() << "\n";
}
