// The faults that are planted, family by family: barriers, guards and bounds, strides and offsets, distances and masks of shuffles and
// votes, comparisons, constants, roundings, operands, stores. Each is a line of the committed PTX; where that changes, this table must
// follow.
namespace Cuda.Tests.Mutants;

internal static class MutantTable
{
    private const string Barrier = @"^bar\.sync 0;";
    private const string WarpBarrier = @"^bar\.warp\.sync -1;";
    private const string AtLeast = @"^setp\.ge\.s32 (\S+), (\S+), (\S+);";
    private const string Above = "setp.gt.s32 $1, $2, $3;";

    public static IReadOnlyList<Mutant> All { get; } =
    [
        new("norm", "norm_512", Shuffle(8), 1, Shuffled(4), "distance", "norm"),
        new("norm", "norm_1024", Shuffle(2), 2, Shuffled(2, 31, 2147483647), "mask", "norm"),
        new("norm", "norm_512", Shuffle(16), 2, Shuffled(16, 15), "clamp", "norm"),
        new("norm", "norm_512", @"^div\.rn\.f32 (\S+), (\S+), (\S+);", 1, "mul.rn.f32 $1, $2, $3;", "operator", "norm"),
        new("norm", "norm_1024", @"^sub\.rn\.f32 (\S+), (\S+), (\S+);", 4, "sub.rn.f32 $1, $3, $2;", "operands", "norm"),
        new("norm", "norm_512", @"^fma\.rn\.f32 (\S+), (\S+), (\S+), (\S+);", 4, "mul.rn.f32 $1, $2, $3;", "operator", "norm"),
        new("norm", "norm_1024", @"^st\.global\.v2\.f32", 1, "", "store", "norm"),
        new("norm", "norm_long", @"^add\.s32 (%r\d+), (%r\d+), 1024;", 1, "add.s32 $1, $2, 960;", "stride", "norm"),
        new("norm", "norm_512", AtLeast, 1, Above, "bound", "norm"),
        new("norm", "norm", Shuffle(1), 4, Shuffled(2), "distance", "norm"),
        new("norm", "norm", @"^st\.global\.f32", 1, "", "store", "norm"),
        new("norm", "norm", @"^add\.s32 (%r\d+), (%r\d+), 512;", 2, "add.s32 $1, $2, 448;", "stride", "norm"),

        new("pointwise", "add", @"^add\.s32 (\S+), (\S+), 4;", 1, "add.s32 $1, $2, 3;", "bound", "elements"),
        new("pointwise", "add", @"^shl\.b32 (\S+), (\S+), 10;", 1, "shl.b32 $1, $2, 9;", "stride", "elements"),
        new("pointwise", "multiply", @"^mul\.rn\.f32", 1, "add.rn.f32", "operator", "elements"),
        new("pointwise", "multiply", @"^@%p\d+ bra (\S+);", 2, "", "alignment", "elements"),
        new("pointwise", "multiply", @"^@%p\d+ bra (\S+);", 3, "", "guard", "elements"),
        new("pointwise", "bias_activation", "0f4B400000", 1, "0f4B000000", "rounding", "elements"),
        new("pointwise", "bias_activation", "0f3F200000", 1, "0f40200000", "constant", "elements"),
        new("pointwise", "select_columns", @"^shl\.b64 (\S+), (\S+), 2;", 4, "shl.b64 $1, $2, 3;", "width", "logits"),
        new("pointwise", "suppress", "-8388609", 1, "-8388608", "constant", "logits"),
        new("pointwise", "suppress", @"^ld\.global\.u32 (\S+), \[(\S+)\+4\];", 1, "ld.global.u32 $1, [$2];", "offset", "logits"),
        new("pointwise", "penalize", @"^setp\.geu\.f32", 1, "setp.leu.f32", "comparison", "logits"),

        new("softmax", "log_softmax", Barrier, 1, "", "barrier", "softmax"),
        new("softmax", "log_softmax", Barrier, 2, "", "barrier", "softmax"),
        new("softmax", "log_softmax", Barrier, 4, "", "barrier", "softmax"),
        new("softmax", "log_softmax", @"^setp\.gt\.u32 (\S+), (\S+), 63;", 1, "setp.gt.u32 $1, $2, 31;", "comparison", "softmax"),
        new("softmax", "log_softmax", @"^st\.global\.v4\.f32", 2, "", "store", "softmax"),
        new("softmax", "log_softmax_512", Shuffle(8), 2, Shuffled(4), "distance", "softmax"),
        new("softmax", "log_softmax_1024", Shuffle(16), 3, Shuffled(16, 15), "clamp", "softmax"),
        new("softmax", "log_softmax_1024", AtLeast, 1, Above, "bound", "softmax"),
        new("softmax", "log_probability", Shuffle(4), 3, Shuffled(8), "distance", "softmax"),
        new(
            "softmax", "log_probability", @"^add\.rn\.f64 (\S+), (\S+), 0d3FF0000000000000;", 1, "add.rn.f64 $1, $2, 0dBFF0000000000000;",
            "constant", "softmax"),
        new(
            "softmax", "top_k", @"^atom\.shared\.add\.u32 (\S+), \[(\S+)\], 1;", 2, "atom.shared.add.u32 $1, [$2], 2;",
            "constant", "best"),
        new("softmax", "top_k", @"^setp\.gt\.s32 (\S+), (\S+), 1023;", 2, "setp.gt.s32 $1, $2, 1024;", "bound", "best"),
        new("softmax", "top_k", Barrier, 5, "", "barrier", "best"),
        new("softmax", "top_k", Barrier, 7, "", "barrier", "best"),
        new("softmax", "top_k", Barrier, 9, "", "barrier", "best"),
        new("softmax", "top_k", Barrier, 12, "", "barrier", "best"),
        new("softmax", "top_k", @"^ld\.shared\.f32 (\S+), \[(\S+)\+64\];", 1, "ld.shared.f32 $1, [$2+32];", "offset", "best"),
        new("softmax", "top_k_512", WarpBarrier, 1, "", "barrier", "best"),
        new("softmax", "top_k_512", WarpBarrier, 2, "", "barrier", "best"),
        new(
            "softmax", "top_k_1024", @"^vote\.sync\.ballot\.b32 (\S+), (\S+), -1;", 1, "vote.sync.ballot.b32 $1, $2, 2147483647;",
            "vote", "best"),
        new(
            "softmax", "top_k_1024", @"^atom\.shared\.add\.u32 (\S+), \[(\S+)\], 1;", 1, "atom.shared.add.u32 $1, [$2], 2;",
            "constant", "best"),
        new("softmax", "top_k_1024", @"^setp\.ge\.f32", 3, "setp.lt.f32", "comparison", "best"),

        new("sample", "sample", Barrier, 5, "", "barrier", "sample"),
        new("sample", "sample", "0f33800000", 2, "0f33000000", "constant", "sample"),
        new("sample", "sample", ", 1685217655;", 1, ", 1685217654;", "constant", "sample"),
        new("sample", "sample", @"^add\.s32 (\S+), (\S+), 512;", 4, "add.s32 $1, $2, 1024;", "stride", "sample"),
        new("sample", "sample", Shuffle(4), 7, Shuffled(8), "distance", "sample"),
        new("sample", "sample", @"^setp\.lt\.s32 (\S+), (\S+), (\S+);", 30, "setp.gt.s32 $1, $2, $3;", "comparison", "sample"),
        new("sample", "sample", @"^st\.global\.u32", 1, "", "store", "sample"),

        new("beams", "advance_beams", Barrier, 1, "", "barrier", "beams"),
        new("beams", "advance_beams", Barrier, 2, "", "barrier", "beams"),
        new("beams", "advance_beams", Barrier, 3, "", "barrier", "beams"),
        new("beams", "advance_beams", Barrier, 7, "", "barrier", "beams"),
        new("beams", "advance_beams", @"^setp\.gt\.f32 (\S+), (\S+), (\S+);", 1, "setp.ge.f32 $1, $2, $3;", "comparison", "beams"),
        new("beams", "advance_beams", @"^setp\.eq\.s32 (\S+), (\S+), 0;", 3, "setp.ne.s32 $1, $2, 0;", "comparison", "beams"),
        new("beams", "advance_beams", AtLeast, 2, Above, "bound", "beams"),
        new("beams", "advance_beams", @"^st\.global\.f32", 1, "", "store", "beams"),
        new("beams", "advance_beams", @"^st\.global\.u32 \[(\S+)\+40\], (\S+);", 1, "", "store", "beams"),
        new("beams", "advance_beams", @"^st\.global\.u32 \[(\S+)\+36\], (\S+);", 1, "", "store", "beams"),

        new("embed", "embed_f32", @"^@%p\d+ bra (\S+);", 3, "", "guard", "embed"),
        new("embed", "embed_f16", "-1879056384", 1, "268427264", "mask", "embed"),
        new("embed", "embed_bf16", @"^shl\.b32 (\S+), (\S+), 16;", 1, "shl.b32 $1, $2, 15;", "width", "embed"),
        new("embed", "embed_i8", @"^rcp\.rn\.f32", 1, "mov.f32", "operator", "embed"),
        new("embed", "embed_i16", @"^cvt\.rn\.f32\.s16", 1, "cvt.rn.f32.u16", "sign", "embed"),

        new("gemm", "gemm_f32", Barrier, 2, "", "barrier", "product"),
        new("gemm", "gemm_f32", Barrier, 3, "", "barrier", "product"),
        new("gemm", "gemm_f32", @"^mad\.lo\.s32 (\S+), (\S+), 68, (\S+);", 1, "mad.lo.s32 $1, $2, 64, $3;", "stride", "product"),
        new("gemm", "gemm_f32", AtLeast, 14, Above, "bound", "product"),
        new("gemm", "gemm_f16", Barrier, 3, "", "barrier", "half"),
        new("gemm", "gemm_f16", "-1879056384", 2, "-1879048192", "mask", "half"),
        new("gemm", "gemm_bf16", @"^shl\.b32 (\S+), (\S+), 16;", 2, "shl.b32 $1, $2, 17;", "width", "half"),
        new(
            "gemm", "gemm_few_f32", @"^fma\.rn\.f32 (\S+), (\S+), (\S+), (\S+);", 1, "fma.rn.f32 $1, $2, $2, $4;",
            "operands", "few"),
        new("gemm", "gemm_few_f16", @"^max\.f32 (\S+), (\S+), 0f00000000;", 1, "max.f32 $1, $2, 0f3F800000;", "constant", "few"),
        new("gemm", "gemm_few_bf16", Barrier, 2, "", "barrier", "few"),

        new("quantise", "quantise_i8", @"^setp\.gt\.s32 (\S+), (\S+), 1024;", 1, "setp.gt.s32 $1, $2, 2048;", "bound", "integers"),
        new(
            "quantise", "quantise_i8", @"^min\.f32 (\S+), (\S+), 0f42FE0000;", 1, "min.f32 $1, $2, 0f42FC0000;",
            "constant", "integers"),
        new("quantise", "quantise_i8", Shuffle(16), 1, Shuffled(8), "distance", "integers"),
        new("quantise", "quantise_i16", "0f447A0000", 1, "0f447A4000", "constant", "integers"),
        new("quantise", "quantise_i16", @"^cvt\.rni\.f32\.f32", 1, "cvt.rmi.f32.f32", "rounding", "integers"),
        new(
            "quantise", "gemm_i8", @"^mad\.lo\.s32 (\S+), (\S+), (\S+), (\S+);", 5, "mad.lo.s32 $1, $2, $3, $3;",
            "operands", "integers"),
        new("quantise", "gemm_i16", Barrier, 2, "", "barrier", "integers"),
        new("quantise", "finish_sums", @"^rcp\.rn\.f32", 1, "mov.f32", "operator", "integers"),
        new("quantise", "round_bf16", ", -65536;", 1, ", -131072;", "mask", "rounded"),
        new("quantise", "to_bf16", ", 32767;", 1, ", 0;", "rounding", "refresh"),
        new("quantise", "to_bf16", @"^@%p\d+ bra (\S+);", 2, "", "alignment", "refresh"),
        new("quantise", "to_bf16", @"^st\.global\.v2\.u32", 1, "", "store", "refresh"),

        new("few_floats", "few_1_f32", Shuffle(16), 9, Shuffled(8), "distance", "few floats"),
        new("few_floats", "few_4_f32", Barrier, 1, "", "barrier", "few floats"),
        new("few_floats", "few_8_f32", @"^st\.shared\.v4\.f32", 1, "", "store", "few floats"),

        new("few_halves", "few_1_f16", Shuffle(1), 5, Shuffled(2), "distance", "few floats"),
        new("few_halves", "few_1_bf16", ", 32767;", 1, ", 0;", "rounding", "few floats"),
        new("few_halves", "few_4_bf16", ", -65536;", 1, ", -131072;", "mask", "few floats"),
        new("few_halves", "few_8_f16", Barrier, 1, "", "barrier", "few floats"),

        new("few_integers", "few_1_i8", @"^cvt\.rni\.f32\.f32", 1, "cvt.rmi.f32.f32", "rounding", "few integers"),
        new("few_integers", "few_1_i16", @"^st\.shared\.u16", 3, "", "store", "few integers"),
        new(
            "few_integers", "few_4_i8", @"^dp4a\.s32\.s32 (\S+), (\S+), (\S+), (\S+);", 1, "dp4a.s32.s32 $1, $2, $2, $4;",
            "operands", "few integers"),
        new("few_integers", "few_4_i8", Barrier, 1, "", "barrier", "few integers"),
        new("few_integers", "few_4_i8", Shuffle(16), 7, Shuffled(8), "distance", "few integers"),
        new(
            "few_integers", "few_1_i8", @"^dp4a\.s32\.s32 (\S+), (\S+), (\S+), (\S+);", 1, "dp4a.s32.s32 $1, $2, $2, $4;",
            "operands", "few integers"),
        new("few_integers", "few_8_i16", Barrier, 1, "", "barrier", "few integers"),
        new("few_integers", "few_8_i8", Shuffle(16), 1, Shuffled(8), "distance", "few integers"),
        new("few_integers", "few_8_i16", "0f447A0000", 1, "0f447A4000", "constant", "few integers"),

        new("attention", "attention_dot_1", Barrier, 1, "", "barrier", "attention"),
        new("attention", "attention_dot_1", Barrier, 2, "", "barrier", "attention"),
        new("attention", "attention_dot_1", WarpBarrier, 2, "", "barrier", "attention"),
        new(
            "attention", "attention_dot_1", @"^mul\.lo\.s32 (\S+), (\S+), 65;", 1, "mul.lo.s32 $1, $2, 64;",
            "stride", "attention"),
        new("attention", "attention_dot_2", WarpBarrier, 2, "", "barrier", "attention"),
        new(
            "attention", "attention_dot_2", @"^setp\.gt\.s32 (\S+), (\S+), (\S+);", 1, "setp.ge.s32 $1, $2, $3;",
            "bound", "attention"),
        new("attention", "attention_dot_4", Shuffle(16), 1, Shuffled(8), "distance", "attention"),
        new("attention", "attention_dot_4", Shuffle(1), 2, Shuffled(1, 31, 1073741823), "mask", "attention"),
        new("attention", "attention_additive_1", "0fC0000000", 1, "0fBF800000", "constant", "additive"),
        new(
            "attention", "attention_additive_2", @"^setp\.lt\.f32 (\S+), (\S+), 0f3F200000;", 1, "setp.gt.f32 $1, $2, 0f3F200000;",
            "comparison", "additive"),
        new("attention", "attention_additive_4", Barrier, 2, "", "barrier", "additive"),

        new("flash_bf16", "flash_32", @"^cp\.async\.wait_group 0;", 1, "", "wait", "flash bf16"),
        new("flash_bf16", "flash_32", Barrier, 1, "", "barrier", "flash bf16"),
        new(
            "flash_bf16", "flash_64", @"^ldmatrix\.sync\.aligned\.m8n8\.x4\.trans\.shared\.b16", 1, "ldmatrix.sync.aligned.m8n8.x4.shared.b16",
            "layout", "flash bf16"),
        new("flash_bf16", "pack_sentences", @"^st\.global\.", 1, "", "store", "flash bf16"),

        new("flash_f16", "flash_16", @"^cp\.async\.commit_group;", 2, "", "wait", "flash f16"),
        new("flash_f16", "flash_16", Barrier, 1, "", "barrier", "flash f16"),
        new(
            "flash_f16", "flash_64", @"\{(%r\d+), (%r\d+), (%r\d+), (%r\d+)\}, \{(%r\d+), (%r\d+)\}", 1, "{$2, $1, $3, $4}, {$5, $6}",
            "operands", "flash f16"),

        new("flash_tf32", "flash_32", @"^cp\.async\.wait_group 0;", 1, "cp.async.wait_group 1;", "wait", "flash tf32"),
        new("flash_tf32", "flash_32", Shuffle(2), 1, Shuffled(4), "distance", "flash tf32"),
        new("flash_tf32", "flash_64", Barrier, 1, "", "barrier", "flash tf32"),
        new("flash_tf32", "pack_sentences", @"^st\.global\.", 1, "", "store", "flash tf32"),

        new("cache", "append", @"^and\.b32 (\S+), (\S+), 15;", 1, "and.b32 $1, $2, 7;", "mask", "cache"),
        new("cache", "append", AtLeast, 3, Above, "bound", "cache"),
        new("cache", "copy_blocks", @"^st\.global\.u64", 1, "", "store", "copied blocks"),
        new("cache", "copy_blocks", @"^shl\.b32 (\S+), (\S+), 2;", 1, "shl.b32 $1, $2, 1;", "bound", "copied blocks"),
        new("cache", "copy_blocks_of_layers", @"^st\.u64", 1, "", "store", "copied blocks"),
        new("cache", "cached_dot_1", @"^and\.b32 (\S+), (\S+), 15;", 1, "and.b32 $1, $2, 7;", "mask", "cache"),
        new("cache", "cached_dot_2", @"^st\.global\.f32", 1, "", "store", "cache"),
        new("cache", "cached_dot_1", WarpBarrier, 3, "", "barrier", "cache"),
        new("cache", "cached_dot_2", @"^and\.b32 (\S+), (\S+), -64;", 1, "and.b32 $1, $2, -32;", "mask", "cache"),
        new("cache", "cached_dot_4", WarpBarrier, 2, "", "barrier", "cache"),
        new("cache", "cached_dot_4", @"^st\.shared\.f32", 2, "", "store", "cache"),
        new(
            "cache", "cached_additive_1", @"^div\.rn\.f32 (\S+), (\S+), (\S+);", 1, "div.rn.f32 $1, $3, $2;",
            "operands", "additive cache"),
        new("cache", "cached_additive_2", Shuffle(8), 2, Shuffled(16), "distance", "additive cache"),
        new("cache", "cached_part_1", WarpBarrier, 2, "", "barrier", "parts"),
        new("cache", "cached_part_2", @"^st\.global\.f32", 2, "", "store", "parts"),
        new("cache", "join_parts", @"^ld\.global\.f32 (\S+), \[(\S+)\+4\];", 1, "ld.global.f32 $1, [$2];", "offset", "parts"),
        new("attention_weights", "weights_dot", Shuffle(16), 1, Shuffled(8), "distance", "attention"),
        new("attention_weights", "weights_dot", Shuffle(16), 2, Shuffled(8), "distance", "attention"),
        new(
            "attention_weights", "weights_additive", @"^div\.rn\.f32 (\S+), (\S+), (\S+);", 1, "div.rn.f32 $1, $3, $2;",
            "operands", "additive"),
        new("attention_weights", "weights_additive", @"^st\.global\.f32", 4, "", "store", "additive"),

        new("cache", "cached_weights_dot", @"^div\.rn\.f32", 1, "mul.rn.f32", "operator", "cache"),
        new("cache", "cached_weights_additive", @"^st\.global\.f32", 2, "", "store", "additive cache"),

        new("dropout", "dropout", "-1640531527", 1, "-1640531526", "constant", "dropout"),
        new("dropout", "dropout", @"^setp\.lt\.u32", 3, "setp.gt.u32", "comparison", "dropout"),
        new("dropout", "dropout", AtLeast, 4, Above, "bound", "dropout"),

        new("attention_dropout", "attention_dropout_dot_1", ", 65535;", 1, ", 32767;", "mask", "dropped attention"),
        new("attention_dropout", "attention_dropout_dot_2", WarpBarrier, 2, "", "barrier", "dropped attention"),
        new(
            "attention_dropout", "attention_dropout_additive_1", @"^setp\.lt\.u32 (\S+), (%r\d+), 16;", 1, "setp.lt.u32 $1, $2, 8;",
            "comparison", "dropped additive"),
        new("attention_dropout", "attention_dropout_additive_2", Barrier, 1, "", "barrier", "dropped additive"),

        new("norm_gradient", "norm_gradient", Shuffle(16), 5, Shuffled(8), "distance", "norm gradient"),
        new("norm_gradient", "norm_gradient", @"^and\.b32 (\S+), (\S+), 15;", 1, "and.b32 $1, $2, 31;", "mask", "norm gradient"),
        new("norm_gradient", "norm_gradient", @"^neg\.f32", 1, "mov.f32", "sign", "norm gradient"),
        new(
            "norm_gradient", "norm_partials", @"^mul\.wide\.u32 (\S+), (\S+), 8;", 1, "mul.wide.u32 $1, $2, 4;",
            "width", "norm gradient"),
        new("norm_gradient", "norm_gradient_512", Barrier, 1, "", "barrier", "norm gradient"),
        new("norm_gradient", "norm_gradient_512", Barrier, 2, "", "barrier", "norm gradient"),
        new("norm_gradient", "norm_gradient_1024", WarpBarrier, 1, "", "barrier", "norm gradient"),
        new("norm_gradient", "norm_gradient_1024", Shuffle(8), 3, Shuffled(4), "distance", "norm gradient"),
        new("norm_gradient", "norm_gradient_512", @"^st\.shared\.v2\.f32", 2, "", "store", "norm gradient"),
        new("norm_gradient", "norm_partials", @"^shl\.b32 (\S+), (\S+), 5;", 1, "shl.b32 $1, $2, 4;", "stride", "norm gradient"),

        new("cross_entropy", "cross_entropy", Barrier, 2, "", "barrier", "loss"),
        new("cross_entropy", "cross_entropy", Barrier, 6, "", "barrier", "loss"),
        new("cross_entropy", "cross_entropy", Barrier, 8, "", "barrier", "loss"),
        new("cross_entropy", "cross_entropy", @"^setp\.eq\.s32 (\S+), (\S+), -14338;", 1, "setp.ne.s32 $1, $2, -14338;", "comparison", "loss"),
        new("cross_entropy", "cross_entropy", @"^st\.global\.f32", 2, "", "store", "loss"),

        new(
            "training", "embed_gradient", @"^vote\.sync\.ballot\.b32 (\S+), (\S+), -1;", 1, "vote.sync.ballot.b32 $1, $2, 2147483647;",
            "vote", "embed gradient"),
        new("training", "embed_gradient", Barrier, 2, "", "barrier", "embed gradient"),
        new("training", "embed_gradient", Barrier, 4, "", "barrier", "embed gradient"),
        new("training", "embed_gradient", @"^popc\.b32", 2, "mov.u32", "operator", "embed gradient"),
        new("training", "column_sums", Barrier, 1, "", "barrier", "product gradient"),
        new("training", "column_sums", @"^st\.shared\.f32", 3, "", "store", "product gradient"),
        new("training", "gemm_gradient", Barrier, 1, "", "barrier", "product gradient"),
        new("training", "gemm_gradient", @"^setp\.eq\.s32", 1, "setp.ne.s32", "comparison", "product gradient"),
        new("training", "pack_turned_f32", Barrier, 1, "", "barrier", "refresh"),
        new(
            "training", "pack_turned_bf16", @"^ld\.shared\.u32 (\S+), \[(\S+)\+32\];", 1, "ld.shared.u32 $1, [$2+36];",
            "offset", "refresh"),
        new("training", "pack_f32", @"^st\.global\.f32", 1, "", "store", "refresh"),
        new(
            "training", "activation_gradient", @"^setp\.gt\.f32 (\S+), (\S+), 0f00000000;", 1, "setp.lt.f32 $1, $2, 0f00000000;",
            "comparison", "slopes"),
        new("training", "activation_gradient", "0f42700000", 1, "0f3F800000", "constant", "slopes"),
        new("training", "block_squares", @"^min\.s64 (\S+), (\S+), 16384;", 1, "min.s64 $1, $2, 16383;", "bound", "optimizer"),
        new("training", "block_squares", Shuffle(1), 1, Shuffled(2), "distance", "optimizer"),
        new(
            "training", "adam_step", @"^fma\.rn\.f32 (\S+), (\S+), (\S+), (\S+);", 1, "fma.rn.f32 $1, $3, $4, $2;",
            "operands", "optimizer"),
        new("training", "adam_step", @"^sqrt\.rn\.f32", 1, "mov.f32", "operator", "optimizer"),
        new("training", "adam_step", @"^st\.global\.v4\.f32", 2, "", "store", "optimizer"),
        new("training", "clear", @"^mov\.b32 (\S+), 0;", 1, "mov.b32 $1, 1;", "constant", "elements"),

        new("attention_gradient", "gradient_of_queries_dot_1", WarpBarrier, 2, "", "barrier", "attention gradient"),
        new("attention_gradient", "gradient_of_queries_dot_1", Barrier, 3, "", "barrier", "attention gradient"),
        new(
            "attention_gradient", "gradient_of_queries_dot_2", @"^mul\.lo\.s64 (\S+), (\S+), 12;", 1, "mul.lo.s64 $1, $2, 8;",
            "stride", "attention gradient"),
        new("attention_gradient", "gradient_of_keys_dot_1", WarpBarrier, 2, "", "barrier", "attention gradient"),
        new(
            "attention_gradient", "gradient_of_keys_dot_1", @"^mul\.wide\.s32 (\S+), (\S+), 12;", 1, "mul.wide.s32 $1, $2, 16;",
            "stride", "attention gradient"),
        new("attention_gradient", "gradient_of_keys_dot_2", @"^div\.rn\.f32", 1, "mul.rn.f32", "operator", "attention gradient"),

        new("additive_gradient", "gradient_of_queries_additive_1", Barrier, 3, "", "barrier", "additive gradient"),
        new(
            "additive_gradient", "gradient_of_queries_additive_2", "0fC0000000", 1, "0fBF800000",
            "constant", "additive gradient"),
        new("additive_gradient", "gradient_of_keys_additive_1", WarpBarrier, 2, "", "barrier", "additive gradient"),
        new(
            "additive_gradient", "gradient_of_keys_additive_2", @"^mul\.wide\.s32 (\S+), (\S+), 12;", 1, "mul.wide.s32 $1, $2, 8;",
            "stride", "additive gradient"),

        new("sequence", "unfold", @"^setp\.gt\.s64 (\S+), (\S+), -1;", 1, "setp.gt.s64 $1, $2, -2;", "bound", "convolution"),
        new("sequence", "unfold", @"^setp\.lt\.s64 (\S+), (\S+), (\S+);", 2, "setp.le.s64 $1, $2, $3;", "bound", "convolution"),
        new("sequence", "unfold", @"^st\.global\.v4\.f32", 1, "", "store", "convolution"),
        new(
            "sequence", "depthwise", @"^fma\.rn\.f32 (\S+), (\S+), (\S+), (\S+);", 3, "mul.rn.f32 $1, $2, $3;",
            "operator", "convolution"),
        new("sequence", "depthwise", @"^and\.b32 (\S+), (\S+), 3;", 2, "and.b32 $1, $2, 1;", "mask", "convolution"),
        new("sequence", "cached_unfold", @"^and\.b64 (\S+), (\S+), 15;", 1, "and.b64 $1, $2, 7;", "mask", "cached convolution"),
        new("sequence", "cached_depthwise", @"^st\.global\.v4\.f32", 1, "", "store", "cached convolution"),
        new(
            "sequence", "cached_depthwise", @"^fma\.rn\.f32 (\S+), (\S+), (\S+), (\S+);", 2, "fma.rn.f32 $1, $2, $2, $4;",
            "operands", "cached convolution"),
        new("sequence", "take_position", @"^setp\.gt\.s32 (\S+), (\S+), -1;", 2, "setp.gt.s32 $1, $2, -2;", "bound", "positions"),
        new("sequence", "put_position", @"^setp\.le\.s32 (\S+), (\S+), (\S+);", 1, "setp.lt.s32 $1, $2, $3;", "bound", "positions"),
        new("sequence", "cut", @"^min\.s64", 1, "max.s64", "operator", "positions"),
        new("sequence", "cell_tanh", "0f3F200000", 1, "0f40200000", "constant", "cells"),
        new("sequence", "cell_lstm", @"^div\.rn\.f32 (\S+), (\S+), (\S+);", 2, "div.rn.f32 $1, $3, $2;", "operands", "cells"),
        new("sequence", "cell_lstm", @"^st\.global\.f32", 2, "", "store", "cells"),
        new("sequence", "cell_gru", @"^sub\.rn\.f32 (\S+), (\S+), (\S+);", 2, "sub.rn.f32 $1, $3, $2;", "operands", "cells"),

        new(
            "sequence_gradient", "unfold_gradient", @"^sub\.s64 (\S+), (\S+), (\S+);", 2, "add.s64 $1, $2, $3;",
            "sign", "convolution gradient"),
        new(
            "sequence_gradient", "depthwise_gradient", @"^fma\.rn\.f32 (\S+), (\S+), (\S+), (\S+);", 2, "mul.rn.f32 $1, $2, $3;",
            "operator", "convolution gradient"),
        new(
            "sequence_gradient", "filter_gradient", @"^add\.s64 (\S+), (\S+), 16;", 1, "add.s64 $1, $2, 15;",
            "stride", "convolution gradient"),
        new(
            "sequence_gradient", "filter_gradient", @"^selp\.f32 (\S+), (\S+), (\S+), (\S+);", 2, "mov.f32 $1, $2;",
            "guard", "convolution gradient"),
        new(
            "sequence_gradient", "take_position_gradient", @"^setp\.gt\.s32 (\S+), (%r\d+), (%r\d+);", 1, "setp.ge.s32 $1, $2, $3;",
            "bound", "positions"),
        new("sequence_gradient", "take_position_gradient", @"^st\.global\.v4\.f32", 1, "", "store", "positions"),
        new("sequence_gradient", "cell_tanh_gradient", @"^st\.global\.u32", 1, "", "store", "cells"),
        new(
            "sequence_gradient", "cell_lstm_gradient", @"^sub\.rn\.f32 (\S+), (\S+), (\S+);", 3, "sub.rn.f32 $1, $3, $2;",
            "operands", "cells"),
        new("sequence_gradient", "cell_gru_gradient", @"^mul\.rn\.f32", 11, "add.rn.f32", "operator", "cells"),
    ];

    // An exchange with the lane whose number differs in one bit.
    private static string Shuffle(int distance) => $@"^shfl\.sync\.bfly\.b32 (\S+), (\S+), {distance}, 31, -1;";

    private static string Shuffled(int distance, int clamp = 31, int members = -1) =>
        $"shfl.sync.bfly.b32 $1, $2, {distance}, {clamp}, {members};";
}
