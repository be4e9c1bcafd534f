# Makes torch_mixing.json: what PyTorch's layers that mix positions give, and their gradients, in double precision.
# python3 torch_mixing.py > torch_mixing.json
import json
import math

import torch

D, HEADS, KERNEL = 6, 2, 3
LENGTHS = [5, 1, 7, 2]
torch.manual_seed(7)
torch.set_default_dtype(torch.float64)


def numbers(*shape):
    # Few digits, so that they are the same numbers in float32 and in the file.
    return (torch.randn(*shape) * 64).round() / 128


def parameters(**shapes):
    return {name: numbers(*shape).requires_grad_() for name, shape in shapes.items()}


def recurrent(kind):
    layer = {"recurrent": torch.nn.RNN, "gru": torch.nn.GRU, "lstm": torch.nn.LSTM}[kind](D, D, batch_first=True)
    p = {"input.weight": layer.weight_ih_l0, "input.bias": layer.bias_ih_l0, "hidden.weight": layer.weight_hh_l0, "hidden.bias": layer.bias_hh_l0}
    with torch.no_grad():
        for tensor in p.values():
            tensor.copy_(numbers(*tensor.shape))
    return p, lambda x: layer(x[None])[0][0]


def padded(x, is_causal, dilation):
    before = (KERNEL - 1 if is_causal else (KERNEL - 1) // 2) * dilation
    return torch.nn.functional.pad(x.T[None], (before, (KERNEL - 1) * dilation - before))


def convolution(is_causal, dilation):
    p = parameters(**{"filter.weight": (D, KERNEL * D), "filter.bias": (D,)})

    def run(x):
        weight = p["filter.weight"].reshape(D, KERNEL, D).permute(0, 2, 1)
        return torch.nn.functional.conv1d(padded(x, is_causal, dilation), weight, p["filter.bias"], dilation=dilation)[0].T

    return p, run


def separable(is_causal, dilation):
    p = parameters(**{"depthwise.weight": (KERNEL, D), "depthwise.bias": (D,), "pointwise.weight": (D, D), "pointwise.bias": (D,)})

    def run(x):
        weight = p["depthwise.weight"].T[:, None, :]
        y = torch.nn.functional.conv1d(padded(x, is_causal, dilation), weight, p["depthwise.bias"], dilation=dilation, groups=D)
        return torch.nn.functional.linear(y[0].T, p["pointwise.weight"], p["pointwise.bias"])

    return p, run


def attention(is_additive, is_seen):
    names = ["query", "key", "value", "output"]
    p = parameters(**{f"{n}.weight": (D, D) for n in names}, **{f"{n}.bias": (D,) for n in names})
    if is_additive:
        p.update(parameters(**{"score.weight": (D,)}))

    def run(x):
        n = len(x)
        q, k, v = (torch.nn.functional.linear(x, p[f"{name}.weight"], p[f"{name}.bias"]).reshape(n, HEADS, D // HEADS) for name in names[:3])
        if is_additive:
            scores = (torch.tanh(q[:, None] + k[None]) * p["score.weight"].reshape(HEADS, D // HEADS)).sum(-1).permute(2, 0, 1)
        else:
            scores = torch.einsum("qhc,khc->hqk", q, k) / math.sqrt(D // HEADS)
        seen = torch.tensor([[is_seen(i, j) for j in range(n)] for i in range(n)])
        weights = torch.softmax(scores.masked_fill(~seen, -math.inf), -1)
        y = torch.einsum("hqk,khc->qhc", weights, v).reshape(n, D)
        return torch.nn.functional.linear(y, p["output.weight"], p["output.bias"])

    return p, run


def flat(tensor):
    return [float(f"{value:.12g}") for value in tensor.detach().reshape(-1).tolist()]


def case(layer):
    p, run = layer
    x = numbers(sum(LENGTHS), D).requires_grad_()
    dy = numbers(sum(LENGTHS), D)
    y = torch.cat([run(part) for part in torch.split(x, LENGTHS)])
    y.backward(dy)
    return {
        "x": flat(x), "dy": flat(dy), "y": flat(y), "dx": flat(x.grad),
        "parameters": {name: {"value": flat(t), "gradient": flat(t.grad)} for name, t in p.items()},
    }


cases = {
    "recurrent": recurrent("recurrent"), "lstm": recurrent("lstm"), "gru": recurrent("gru"),
    "convolution": convolution(False, 1), "convolution, dilated": convolution(False, 2), "convolution, causal": convolution(True, 2),
    "separable": separable(False, 1), "separable, causal": separable(True, 2),
    "attention": attention(False, lambda i, j: True), "attention, causal": attention(False, lambda i, j: j <= i),
    "attention, window": attention(False, lambda i, j: i - 2 <= j <= i + 1),
    "attention, groups": attention(False, lambda i, j: i // 3 == j // 3),
    "additive": attention(True, lambda i, j: True), "additive, window": attention(True, lambda i, j: abs(i - j) <= 1),
}
print(json.dumps({
    "note": f"PyTorch {torch.__version__}, float64; sentences of {LENGTHS} positions one after the other, width {D}, {HEADS} heads, "
            f"{KERNEL} taps; matrices [outputs, inputs]",
    "lengths": LENGTHS, "cases": {name: case(layer) for name, layer in cases.items()},
}, indent=None, separators=(",", ":")))
