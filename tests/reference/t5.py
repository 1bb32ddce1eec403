# SPDX-License-Identifier: MIT
"""A small T5 encoder with a small tokenizer, and what transformers makes of prompts with them.

Run: python -P tests/reference/t5.py (from the root of the tree). Written with torch 2.15.0, transformers
5.24.0, safetensors 0.8.0, sentencepiece 0.2.3, protobuf 7. Seeds are below. The text that the pieces
are trained on is this file and the prompts.
"""
import json
import os
import shutil
import sys

import sentencepiece
import torch
from safetensors.torch import save_file
from transformers import T5Config, T5EncoderModel, T5Tokenizer

GOLDEN = os.path.join(os.path.dirname(__file__), "..", "golden")
OUT = os.path.join(GOLDEN, "t5")
LENGTH = 77

COURSE = [
    "an oil painting of a snowy mountain village", "a photo of the amalfi cost", "a photo of a man",
    "a photo of a hipster barista", "a photo of a dog", "an oil painting of people around a campfire",
    "an oil painting of an old man", "a lithograph of waterfalls", "a lithograph of a skull",
    "a man wearing a hat", "a high quality photo", "", "a rocket ship", "a pencil",
]
# Blanks, what the pieces do not cover, special tokens, characters that the normalizer changes.
ODD = [
    " ", "  a   man ", "\t\n", "a\tb\nc", "A Man", "a man, wearing: a hat!", "3 cats & 4 dogs (1999)",
    "日本日本", "a 日本 b", "größe", "é", "e\u0301", "ﬁne Ａ ＡＢＣ", "ｶﾞ", "①②", "a\u00a0b\u3000c\u2003d", "a\u200bb",
    "a\u0085b", "a\u2581b", "\u2581", "a\x01b", "\x7fa", "\ufeffa", "a\u00adb", "🚀 rocket 🚀🚀", "x²", "½ pint", "a\u2028b",
    "</s>", "a</s>b", "a </s> b", "</s></s>", "a</s>", "<pad>", "<unk> a", "a<unk>b", "<s>", "</S>",
    "<extra_id_0> x", "x <extra_id_99>y", "<extra_id_100>", "<extra_id_00>", "<extra_id_1", "<EXTRA_ID_0>",
    "hello<extra_id_0>world <extra_id_10> !", "<", "<<pad>>", "a  </s>  b", "ı İ ß", "\u0e33 \u0ead",
    "a" * 300, " ".join(["a rocket ship"] * 40), "a man " * 37 + "a", "a man " * 38, "a man " * 37 + "</s>",
]


def tokenizer(folder):
    with open(__file__) as f:
        lines = [line.strip().lower() for line in f if line.strip()]
    prefix = os.path.join(folder, "spiece")
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(lines + COURSE * 5), model_prefix=prefix, vocab_size=220,
        model_type="unigram", pad_id=0, eos_id=1, unk_id=2, bos_id=-1, pad_piece="<pad>",
        eos_piece="</s>", unk_piece="<unk>", normalization_rule_name="nmt_nfkc",
        character_coverage=0.98, num_threads=1, minloglevel=2)
    os.remove(prefix + ".vocab")
    return T5Tokenizer.from_pretrained(folder)


def ids(t, texts):
    return t(texts, padding="max_length", max_length=LENGTH, truncation=True, return_tensors="pt")


def model(seed, **more):
    torch.manual_seed(seed)
    config = T5Config(vocab_size=352, d_model=32, d_kv=8, d_ff=56, num_layers=3, num_heads=5,
                      feed_forward_proj="gated-gelu", **more)
    m = T5EncoderModel(config).eval()
    with torch.no_grad():
        for name, p in m.named_parameters():
            if "layer_norm" in name:
                p.copy_(1 + 0.3 * torch.randn_like(p))
            elif "relative" in name:
                p.mul_(4)
            elif "SelfAttention.q" in name:  # logits large enough to prefer some tokens
                p.mul_(3)
    return m


def forward(m, t, texts):
    with torch.no_grad():
        return {s: m(**ids(t, [s])).last_hidden_state[0] for s in texts}


def main():
    shutil.rmtree(OUT, ignore_errors=True)
    for name in ("text_encoder", "tokenizer", "half", "brain"):
        os.makedirs(os.path.join(OUT, name))
    t = tokenizer(os.path.join(OUT, "tokenizer"))
    texts = list(dict.fromkeys(COURSE + ODD))
    all_ids = ids(t, texts).input_ids.to(torch.int32)
    save_file({s: all_ids[i].clone() for i, s in enumerate(texts)},
              os.path.join(GOLDEN, "t5-tokens.safetensors"))

    m = model(1)
    m.save_pretrained(os.path.join(OUT, "text_encoder"))
    save_file(forward(m, t, ["", "a pencil", "an oil painting of a snowy mountain village", "日本日本",
                             " ".join(["a rocket ship"] * 40)]),
              os.path.join(GOLDEN, "t5-single.safetensors"))

    # Half precision in two shards, with activations that no half holds: the products of layer 1 pass
    # 65504 by far. The reference multiplies in F32 what the file holds.
    m = model(2, relative_attention_num_buckets=16, relative_attention_max_distance=40)
    with torch.no_grad():
        ff = m.encoder.block[1].layer[1].DenseReluDense
        ff.wi_0.weight.mul_(400)
        ff.wi_1.weight.mul_(400)
        ff.wo.weight.mul_(1e-3)
        for p in m.parameters():
            p.copy_(p.half())
    largest = []
    hook = ff.wo.register_forward_pre_hook(lambda _, x: largest.append(x[0].abs().max().item()))
    save_file(forward(m, t, ["", "a man wearing a hat"]),
              os.path.join(GOLDEN, "t5-half.safetensors"))
    hook.remove()
    assert min(largest) > 2 * 65504, largest
    m.half().save_pretrained(os.path.join(OUT, "half"), variant="fp16", max_shard_size="40KB")

    # The encoder's own names of BF16, one file; the table under its other name.
    m = model(3)
    with torch.no_grad():
        for p in m.parameters():
            p.copy_(p.bfloat16())
    save_file(forward(m, t, ["", "a dog"]), os.path.join(GOLDEN, "t5-brain.safetensors"))
    state = {k: v.bfloat16().clone() for k, v in m.state_dict().items() if k != "shared.weight"}
    assert "encoder.embed_tokens.weight" in state
    save_file(state, os.path.join(OUT, "brain", "model.safetensors"))
    shutil.copy(os.path.join(OUT, "text_encoder", "config.json"), os.path.join(OUT, "brain"))
    print(json.dumps(sorted(os.listdir(os.path.join(OUT, "half")))), len(texts), len(t))


if __name__ == "__main__":
    sys.exit(main())
