#!/usr/bin/env python3
"""A Llama of 1.4M random parameters (d = 128, 4 layers, vocabulary 4,096) as a Hugging Face directory: what `slick bench train` is
also measured on, since at this size everything but the products decides.

usage: make-small-model.py EQ_DIR OUT        (torch, transformers, tokenizers; EQ_DIR: EntityQuestions' folder with train/)
"""
import glob, json, sys
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

eq, out = sys.argv[1:3]
texts = [f"{x['question']}\n{x['answers'][0]}\n" for f in sorted(glob.glob(f"{eq}/train/*.json")) for x in json.load(open(f))[:300]]
tok = Tokenizer(models.BPE())
tok.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
tok.decoder = decoders.ByteLevel()
tok.train_from_iterator(texts, trainers.BpeTrainer(vocab_size=4096, special_tokens=["<|end|>"],
                                                   initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
fast = PreTrainedTokenizerFast(tokenizer_object=tok, eos_token="<|end|>")
fast.save_pretrained(out)
torch.manual_seed(0)
config = LlamaConfig(vocab_size=4096, hidden_size=128, intermediate_size=384, num_hidden_layers=4, num_attention_heads=4,
                     num_key_value_heads=4, max_position_embeddings=512, tie_word_embeddings=True, rope_theta=10000.0,
                     bos_token_id=None, eos_token_id=fast.eos_token_id)
LlamaForCausalLM(config).save_pretrained(out)
print(f"{out}: {sum(p.numel() for p in LlamaForCausalLM(config).parameters()):,} parameters", file=sys.stderr)
