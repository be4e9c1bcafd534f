# PyTorch's training step of the model of perf/Training/TrainingModel.cs: `torch_step.py THREADS STEPS` prints the milliseconds of
# each step after the first quarter; `torch_step.py version` says which PyTorch it is.
import sys
import time

import torch
from torch import nn

VOCABULARY, WIDTH, HEADS, HIDDEN, LAYERS, SENTENCES, LENGTH = 8000, 256, 4, 1024, 3, 32, 32


class Model(nn.Module):
    def __init__(self):
        super().__init__()
        self.source = nn.Embedding(VOCABULARY, WIDTH)
        self.target = nn.Embedding(VOCABULARY, WIDTH)
        self.transformer = nn.Transformer(WIDTH, HEADS, LAYERS, LAYERS, HIDDEN, dropout=0.0, batch_first=True)
        self.output = nn.Linear(WIDTH, VOCABULARY)

    def forward(self, source, target):
        mask = nn.Transformer.generate_square_subsequent_mask(target.shape[1])
        scale = WIDTH ** 0.5
        return self.output(self.transformer(self.source(source) * scale, self.target(target) * scale, tgt_mask=mask))


def main(threads, steps):
    torch.set_num_threads(threads)
    torch.manual_seed(1)
    model = Model()
    optimizer = torch.optim.Adam(model.parameters(), 1e-4, betas=(0.9, 0.98), eps=1e-9)
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    source = torch.randint(0, VOCABULARY, (SENTENCES, LENGTH))
    target = torch.randint(0, VOCABULARY, (SENTENCES, LENGTH + 1))
    for step in range(steps):
        began = time.perf_counter()
        optimizer.zero_grad()
        logits = model(source, target[:, :-1])
        loss = criterion(logits.reshape(-1, VOCABULARY), target[:, 1:].reshape(-1))
        loss.backward()
        optimizer.step()
        loss.item()
        if step >= max(1, steps // 4):
            print(repr(1e3 * (time.perf_counter() - began)))


if sys.argv[1] == "version":
    print(torch.__version__)
else:
    main(int(sys.argv[1]), int(sys.argv[2]))
