"""The sequence-to-sequence model in PyTorch.

Variants
  eager        as written
  eager_sdpa   with scaled_dot_product_attention
  compile      the loss under torch.compile
  full         forward, backward and Adam under one torch.compile
  hoist2_full  the same after its author has multiplied the tables by the
               weights before looking rows up, and folded the values into what
               combines them: what weft's compiler does, done by hand
"""

import math

from torch_job import JOB, VARIANT, answer, make_step, measure, read_bundle
from torch_job import train
import torch
import torch.nn.functional as F

sizes, arrays = read_bundle()
length = sizes["length"]
width, vocab_size = sizes["width"], sizes["vocabSize"]
source, before = arrays.pop("source"), arrays.pop("before")
questions = arrays.pop("questions")
scale = 1 / math.sqrt(width)


def combine(p, context, states):
    both = torch.cat([context, states], -1).reshape(-1, 2 * width)
    weights = p["attention_combine"]
    combined = torch.addmm(p["attention_combine_bias"], both, weights)
    return torch.addmm(
        p["output_bias"], torch.tanh(combined), p["output_projection"]
    )


def logits_as_written(p):
    encoded = F.embedding(source, p["source_embedding"]) + p["source_position"]
    states = F.embedding(before, p["target_embedding"]) + p["target_position"]
    query = states @ p["query_projection"]
    key = encoded @ p["key_projection"]
    value = encoded @ p["value_projection"]
    if VARIANT == "eager_sdpa":
        # The kernel for CPUs wants an axis of heads.
        context = F.scaled_dot_product_attention(
            query.unsqueeze(1), key.unsqueeze(1), value.unsqueeze(1)
        ).squeeze(1)
    else:
        scores = query @ key.transpose(1, 2) * scale
        context = torch.softmax(scores, -1) @ value
    return combine(p, context, states)


def logits_hoisted(p):
    upper = p["attention_combine"][:width]
    lower = p["attention_combine"][width:]
    value_weights = p["value_projection"] @ upper

    def look_up(tokens, side, weights):
        rows = F.embedding(tokens, p[side + "_embedding"] @ weights)
        return rows, p[side + "_position"] @ weights

    key = sum(look_up(source, "source", p["key_projection"]))
    value = sum(look_up(source, "source", value_weights))
    query = sum(look_up(before, "target", p["query_projection"]))
    rows, positions = look_up(before, "target", lower)
    states = rows + (positions + p["attention_combine_bias"])
    weights = torch.softmax(query @ key.transpose(1, 2) * scale, -1)
    combined = torch.tanh(weights @ value + states).reshape(-1, width)
    return torch.addmm(p["output_bias"], combined, p["output_projection"])


def loss_of(p):
    hoisted = VARIANT.startswith("hoist2")
    logits = logits_hoisted(p) if hoisted else logits_as_written(p)
    return F.cross_entropy(logits, source.reshape(-1))


@torch.inference_mode()
def predict():
    p = arrays
    encoded = F.embedding(questions, p["source_embedding"]) + p["source_position"]
    key = (encoded @ p["key_projection"]).transpose(1, 2)
    value = encoded @ p["value_projection"]
    tokens = torch.full(questions.shape[:1], vocab_size)
    predicted = []
    for t in range(length):
        states = F.embedding(tokens, p["target_embedding"])
        states = states + p["target_position"][t]
        query = (states @ p["query_projection"]).unsqueeze(1)
        weights = torch.softmax(torch.bmm(query, key) * scale, -1)
        context = torch.bmm(weights, value).squeeze(1)
        tokens = combine(p, context, states).argmax(-1)
        predicted.append(tokens)
    return torch.stack(predicted, 1).tolist()


if JOB["task"] == "predict":
    answer(tokens=predict(), timing=measure(predict))
else:
    compiled = torch.compile(loss_of) if VARIANT == "compile" else loss_of
    train(make_step(compiled, arrays, full=VARIANT.endswith("full")))
