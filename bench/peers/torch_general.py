"""A classifier and a transformer block in PyTorch, see ../general.ts.

Variants: eager, compile and full, see torch_model.py.
"""

from torch_job import JOB, VARIANT, make_step, read_bundle, train
import torch
import torch.nn.functional as F

sizes, arrays = read_bundle()
x, y = arrays.pop("x"), arrays.pop("y")


def linear(p, name, value):
    # Flat, for addmm adds the bias as it multiplies.
    flat = value.reshape(-1, value.shape[-1])
    result = torch.addmm(p[name + "_bias"], flat, p[name + "_weight"])
    return result.reshape(*value.shape[:-1], -1)


def classifier(p):
    return F.cross_entropy(
        linear(p, "output", torch.relu(linear(p, "hidden", x))), y
    )


def normalised(p, name, value):
    gain, bias = p[name + "_gain"], p[name + "_bias"]
    return F.layer_norm(value, value.shape[-1:], gain, bias)


def attend(p, value):
    batch, length, width = value.shape
    query, key, states = (
        linear(p, name, value)
        .reshape(batch, length, sizes["heads"], -1)
        .transpose(1, 2)
        for name in ("query", "key", "value")
    )
    context = F.scaled_dot_product_attention(query, key, states)
    return context.transpose(1, 2).reshape(batch, length, width)


def transformer(p):
    attended = attend(p, normalised(p, "norm1", x))
    states = x + linear(p, "output", attended)
    wide = linear(p, "expand", normalised(p, "norm2", states))
    # The tanh form, as weft has it.
    active = F.gelu(wide, approximate="tanh")
    return F.mse_loss(states + linear(p, "contract", active), y)


loss_of = classifier if JOB["task"] == "mlp" else transformer
if VARIANT == "compile":
    loss_of = torch.compile(loss_of)
train(make_step(loss_of, arrays, full=VARIANT == "full"))
