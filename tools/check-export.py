#!/usr/bin/env python3
"""usage: tools/check-export.py [OPTIONS]

Do other programs compute what slick computes with the files that slick writes? Writes each of the models in every form
(GGUF, Hugging Face directory, PEFT directory and GGUF adapter on the model, merged model; the same trained for a few steps,
where there is a `slick train`), loads them in llama.cpp, transformers and PEFT, and compares tokens, logits and greedy answers
with those of `slick` for the same file. Prints a Markdown table; exit 1 when a bound is exceeded.

Needs Python packages from PyPI (their versions at the time of docs/models.md):
  pip install torch==2.15.0 transformers==5.24.0 peft==0.21.2 llama-cpp-python==0.3.36 numpy

  --slick FILE         the program (build/release/slick); make_adapter is taken from the folder tests/ beside it
  --models A,B         of smollm2, gemma3-270m, qwen2.5-coder-0.5b (all three), or paths of models
  --trained PATH       check this output of `slick train` (a full model), too; may be given again
  --adapter PATH       the same for an adapter; its base is the one model in --models
  --forms A,B          only the forms whose names contain one of these
  --work DIR           where the files go (build/export; several GB), removed afterwards but for --keep
  --rows FILE          keep each row of the table here as it is finished; what is in it already is not done again
  --threads N          of all programs (2)
"""
import argparse
import ctypes
import gc
import json
import os
import shutil
import subprocess
import sys
import time

os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # as below, of PyTorch
import numpy as np

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
SHOTS = [("What is the capital of Italy?", "Rome"), ("Who wrote Faust?", "Johann Wolfgang von Goethe")]
QUESTIONS = [("What is the capital of France?", "Paris"), ("Who wrote Hamlet?", "William Shakespeare"),
             ("What is the chemical symbol of gold?", "Au"), ("In which country is Kyoto?", "Japan"),
             ("Who painted the Mona Lisa?", "Leonardo da Vinci"), ("How many legs does a spider have?", "8"),
             ("What is the largest ocean?", "Pacific Ocean"), ("Who discovered penicillin?", "Alexander Fleming"),
             ("Which river flows through Vienna?", "Danube"), ("What is the square root of 144?", "12")]
N_TOKENS = 16  # of an answer
N_BEST = 50  # tokens whose log-probabilities are compared at every place of LONG; the last place has all logits
PREFIX = "".join(f"Q: {q}\nA: {a}\n" for q, a in SHOTS)
PROMPTS = [f"{PREFIX}Q: {q}\nA:" for q, _ in QUESTIONS]
LONG = "".join(f"Q: {q}\nA: {a}\n" for q, a in QUESTIONS)  
ODD = "naïve café, 東京 and Ω; it's 12345! two  spaces\n\n\tand a tab, emoji 🙂 — don't  Ünïcödé\r\nline"
TEXTS = [LONG, "".join(PROMPTS), ODD]  # whose tokens are compared

# Bounds: (largest difference of a logit as a share of the range of all that are compared, share of equal best tokens,
# equal answers of ten). slick computes in float32 from the values in the file.
BOUNDS = {
    # float32 from the same values: as the small models of tests/data/reference (README.md, Tolerances), where slick and
    # transformers are each within 1e-6 of the range from float64, with room for ten times the layers.
    "float32": (1e-5, 0.995, 10),
    # llama.cpp takes GELU (Gemma) from a table of float16: 5e-4 of the range per README.md, in 4 layers instead of 18.
    "GELU table": (1e-2, 0.97, 9),
    # llama.cpp rounds the activations of each product to the type of the weights: 11, 8 bits, or 8 bits and a scale of 32
    # values. README.md: 5e-4 (float16) and 1.6e-2 (bfloat16) of the range in 2 layers.
    "F16 activations": (1e-2, 0.97, 9),
    "BF16 activations": (5e-2, 0.90, 7),
    "Q8_0 activations": (5e-2, 0.90, 7),
}


def fail(text):
    sys.exit(f"check-export: {text}")


def run(args, **more):
    r = subprocess.run(args, capture_output=True, text=True, **more)
    if r.returncode:
        fail(f"{' '.join(args)}: exit {r.returncode}\n{r.stderr.strip()}")
    return r.stdout


# --- slick -------------------------------------------------------------------------------------------------------------


class Slick:
    def __init__(self, program, threads):
        self.program, self.threads = program, str(threads)
        self.can_train = any(line.split()[:1] == ["train"] for line in run([program, "help"]).splitlines())
        self.make_adapter = os.path.join(os.path.dirname(program), "tests", "make_adapter")

    def __call__(self, *args, stdin=None):
        # On a busy machine threads that spin while they wait take the time of those that work.
        env = {**os.environ, "OMP_WAIT_POLICY": "passive"}
        return run([self.program, *args, "--threads", self.threads, "--quiet"], input=stdin, env=env)

    def train(self, model, out, *more):
        """A function that trains for a few steps: enough that every tensor is another."""
        def do():
            data = os.path.join(os.path.dirname(out), "train.jsonl")
            with open(data, "w") as f:
                f.writelines(json.dumps({"question": q, "answer": a[::-1]}) + "\n" for q, a in SHOTS + QUESTIONS)
            self("train", model, data, "-o", out, "--force", "--no-store", "--dtype", "f32", "--epochs", "3",
                 "--batch", "7", *(more or ("--lr", "1e-4")))
        return do

    def ids(self, model, text):
        return json.loads(self("tokenize", model, text, "--bos", "--json"))["ids"]

    def last(self, model, *more):
        """The logits of the last place."""
        more = more or ("--text", LONG, "--dtype", "f32", "--json")
        return np.array(json.loads(self("logits", model, *more, "--last"))["logits"][0], dtype=np.float64)

    def values(self, model, adapter=None):
        """All that is compared, of one file (and an adapter on it)."""
        on = ["--dtype", "f32", "--json", *(["--adapter", adapter] if adapter else [])]
        v = {"ids": [self.ids(model, t) for t in TEXTS]}
        tokens = ["--tokens", ",".join(map(str, v["ids"][0]))]
        v["logits"] = self.last(model, *tokens, *on)
        top = json.loads(self("logits", model, *tokens, "--top", str(N_BEST), *on))["top"]
        v["best"] = np.array([[t["id"] for t in row] for row in top])
        v["logprobs"] = np.array([[t["logprob"] for t in row] for row in top])
        pairs = "".join(json.dumps({"prompt": p, "answer": a}) + "\n" for p, (_, a) in zip(PROMPTS, QUESTIONS))
        lines = self("score", model, "-", "--max-tokens", str(N_TOKENS), *on, stdin=pairs).splitlines()
        v["answers"] = [json.loads(line)["greedy_answer"] for line in lines]
        return v


# --- the others --------------------------------------------------------------------------------------------------------


def cut(text):
    return text.split("\n")[0].strip()


class LlamaCpp:
    name = "llama.cpp"

    def __init__(self, path, adapter, threads):
        import llama_cpp
        self.log = llama_cpp.llama_log_callback(lambda *a: None)
        llama_cpp.llama_log_set(self.log, ctypes.c_void_p(0))
        # A cache of float32 and no flash attention: what else it rounds is a matter of the file.
        self.m = llama_cpp.Llama(path, lora_path=adapter, n_ctx=512, n_batch=512, n_threads=threads, logits_all=True,
                                 n_threads_batch=threads, type_k=0, type_v=0, flash_attn=False, verbose=False)

    def ids(self, text):
        return self.m.tokenize(text.encode(), add_bos=True, special=False)

    def rows(self, ids):
        self.m.reset()
        self.m.eval(ids)
        return np.array(self.m.scores[: len(ids)], dtype=np.float64)

    def answer(self, ids):
        row, out = self.rows(ids)[-1], []
        while len(out) < N_TOKENS:
            out.append(int(row.argmax()))
            if out[-1] == self.m.token_eos() or b"\n" in self.m.detokenize(out):
                break
            self.m.eval(out[-1:])
            row = self.m.scores[self.m.n_tokens - 1]
        return cut(self.m.detokenize(out).decode(errors="replace"))

    def close(self):
        self.m.close()


class Transformers:
    name = "transformers"

    def __init__(self, path, adapter, threads):
        import torch, transformers
        transformers.logging.set_verbosity_error()
        torch.set_num_threads(threads)
        self.torch = torch
        self.tokenizer = transformers.AutoTokenizer.from_pretrained(path)
        self.m = transformers.AutoModelForCausalLM.from_pretrained(path, dtype=torch.float32)
        if adapter:
            import peft
            self.name = "PEFT"
            self.m = peft.PeftModel.from_pretrained(self.m, adapter)
        self.m.eval()

    def ids(self, text):
        return self.tokenizer(text, split_special_tokens=True)["input_ids"]

    def rows(self, ids):
        with self.torch.no_grad():
            return self.m(self.torch.tensor([ids])).logits[0].double().numpy()

    def answer(self, ids):
        with self.torch.no_grad():
            out = self.m.generate(input_ids=self.torch.tensor([ids]), max_new_tokens=N_TOKENS, do_sample=False,
                                  attention_mask=self.torch.ones(1, len(ids), dtype=self.torch.long),
                                  pad_token_id=self.tokenizer.eos_token_id)
        return cut(self.tokenizer.decode(out[0][len(ids):], skip_special_tokens=True))

    def close(self):
        del self.m


# --- comparing ---------------------------------------------------------------------------------------------------------


def compare(row, own, other):
    """Fill the row of the table; the list of what is out of bounds."""
    wrong = []
    ids = [other.ids(t) for t in TEXTS]
    n_tokens = len(sum(own["ids"], []))
    row["tokens"] = f"all {n_tokens}" if ids == own["ids"] else f"NOT all {n_tokens}"
    wrong += [f"other tokens for {t!r}: {i}, slick's are {o}" for t, i, o in zip(TEXTS, ids, own["ids"]) if i != o]
    width = own["logits"].size
    rows = other.rows(own["ids"][0])[:, :width]
    top = rows.max(axis=1, keepdims=True)
    logprobs = np.take_along_axis(rows - top - np.log(np.exp(rows - top).sum(axis=1, keepdims=True)), own["best"], 1)
    gaps = [np.abs(rows[-1] - own["logits"]).max(), np.abs(logprobs - own["logprobs"]).max()]
    gap, span = max(gaps), own["logits"].max() - own["logits"].min()
    row["logits"], row["logprobs"], row["share"] = f"{gaps[0]:.1e}", f"{gaps[1]:.1e}", f"{gap / span:.1e}"
    best = rows.argmax(axis=1)
    n_best = int((best == own["best"][:, 0]).sum())
    row["best"] = f"{n_best} of {len(best)}"
    answers = [other.answer(other.ids(p)) for p in PROMPTS]
    pairs = [(a, b) for a, b in zip(own["answers"], answers) if a == b]
    row["answers"] = f"{len(pairs)} of {len(answers)}"
    most, share, n_answers = BOUNDS[row["bound"]]
    if not gap <= most * span:
        wrong.append(f"logits or log-probabilities differ by {gap / span:.1e} of their range, expected {most:.0e} at most")
    if n_best < share * len(best):
        wrong.append(f"{n_best} of {len(best)} best tokens are equal, expected {share:.1%} at least")
    if len(pairs) < n_answers:
        wrong.append(f"{len(pairs)} answers are equal, expected {n_answers} at least: slick {own['answers']}, "
                     f"{other.name} {answers}")
    return wrong


def trained_forms(at, convert, gelu, name, path, make):
    is_gguf = path.endswith(".gguf")
    other = "other" if is_gguf else "other.gguf"
    return [(f"{name}, {'GGUF' if is_gguf else 'directory'}", make, path, None, gelu if is_gguf else "float32"),
            (f"{name}, {'directory' if is_gguf else 'GGUF'} F32", convert(path, other, "--dtype", "f32"), at(other), None,
             "float32" if is_gguf else gelu)]


def adapter_forms(at, convert, gelu, name, path, bases, make):
    is_gguf, (base_dir, base_gguf, model) = path.endswith(".gguf"), bases
    merged = "merged-adapter" if is_gguf else "merged-adapter.gguf"
    return [(f"{name}, {'GGUF adapter' if is_gguf else 'PEFT directory'}", make, base_gguf if is_gguf else base_dir, path,
             gelu if is_gguf else "float32"),
            (f"{name}, merged, {'directory' if is_gguf else 'GGUF'} F32",
             convert(model, merged, "--dtype", "f32", "--merge", path), at(merged), None, "float32" if is_gguf else gelu)]


def forms_of(slick, name, model, work, given):
    """(form, how to make the file, the file, adapter or None, bound): what is checked of a model."""
    gelu = "GELU table" if "gemma" in name else "float32"
    at = lambda f: os.path.join(work, f)
    convert = lambda source, out, *more: lambda: slick("convert", source, "-o", at(out), "--force", *more)
    base_gguf, base_dir = at("f32.gguf"), at("f32")
    adapter = lambda out: lambda: run([slick.make_adapter, model, at(out)])
    both = lambda *steps: lambda: [s() for s in steps]
    need_gguf, need_dir = convert(model, "f32.gguf", "--dtype", "f32"), convert(model, "f32", "--dtype", "f32")
    forms = [
        ("GGUF F32", need_gguf, base_gguf, None, gelu),
        ("GGUF F16", convert(model, "f16.gguf", "--dtype", "f16"), at("f16.gguf"), None, "F16 activations"),
        ("GGUF BF16", convert(model, "bf16.gguf", "--dtype", "bf16"), at("bf16.gguf"), None, "BF16 activations"),
        ("GGUF Q8_0", convert(model, "q8_0.gguf", "--dtype", "q8_0"), at("q8_0.gguf"), None, "Q8_0 activations"),
        ("directory F32", need_dir, base_dir, None, "float32"),
        ("directory BF16", convert(model, "bf16", "--dtype", "bf16"), at("bf16"), None, "float32"),
        ("directory F16", convert(model, "f16", "--dtype", "f16"), at("f16"), None, "float32"),
        ("GGUF F32 of the directory", both(need_dir, convert(base_dir, "back.gguf")), at("back.gguf"), None, gelu),
        ("GGUF adapter", both(need_gguf, adapter("lora.gguf")), base_gguf, at("lora.gguf"), gelu),
        ("PEFT directory", both(need_dir, adapter("lora")), base_dir, at("lora"), "float32"),
        ("merged, GGUF F32", both(adapter("lora"), convert(model, "merged.gguf", "--dtype", "f32", "--merge", at("lora"))),
         at("merged.gguf"), None, gelu),
        ("merged, directory F32",
         both(adapter("lora.gguf"), convert(model, "merged", "--dtype", "f32", "--merge", at("lora.gguf"))), at("merged"),
         None, "float32"),
    ]
    # What was trained, as it is and in the other format.
    if slick.can_train:
        full, lora = at("trained"), at("trained-lora")
        forms += trained_forms(at, convert, gelu, "trained", os.path.join(full, "last"), slick.train(model, full))
        forms += adapter_forms(at, convert, gelu, "trained", os.path.join(lora, "last"), (base_dir, base_gguf, model),
                               both(need_dir, slick.train(model, lora, "--lora-rank", "8", "--lr", "1e-3")))
        forms += adapter_forms(at, convert, gelu, "trained", os.path.join(lora, "last.gguf"), (base_dir, base_gguf, model),
                               need_gguf)
    for path in given.trained:
        forms += trained_forms(at, convert, gelu, path, path, lambda: None)
    for path in given.adapter:
        need = need_gguf if path.endswith(".gguf") else need_dir
        forms += adapter_forms(at, convert, gelu, path, path, (base_dir, base_gguf, model), need)
    return forms


def check(slick, name, form, path, adapter, bound, threads, plain):
    row = {"model": name, "form": form, "bound": bound}
    own = slick.values(path, adapter)
    span = own["logits"].max() - own["logits"].min()
    effect = np.abs(own["logits"] - plain).max() / span
    row["effect"] = f"{effect:.1%}"
    other = (LlamaCpp if path.endswith(".gguf") else Transformers)(path, adapter, threads)
    row["by"] = other.name
    wrong = compare(row, own, other)
    if not form.startswith(("GGUF F", "GGUF B", "GGUF Q", "directory")) and effect < 1e-3:
        wrong.append(f"slick computes what it computes with the plain model, but for {effect:.1e} of the range")
    other.close()
    del other
    gc.collect()
    row["wrong"] = wrong
    return row, own["answers"]


COLUMNS = [("model", "model"), ("form", "written by slick"), ("effect", "logits changed by"), ("by", "loaded by"), ("tokens", "equal tokens"),
           ("logits", "logits: largest difference"), ("logprobs", "log-probabilities"),
           ("share", "of the range"), ("best", "equal best tokens"),
           ("answers", "equal answers"), ("bound", "bound")]


def print_table(rows):
    print("| " + " | ".join(title for _, title in COLUMNS) + " |")
    print("|" + "---|" * len(COLUMNS))
    for row in rows:
        print("| " + " | ".join(row.get(key, "") for key, _ in COLUMNS) + " |")


def main():
    parser = argparse.ArgumentParser(usage=__doc__, add_help=False)
    parser.add_argument("--slick", default=os.path.join(ROOT, "build", "release", "slick"))
    parser.add_argument("--models", default="smollm2,gemma3-270m,qwen2.5-coder-0.5b")
    parser.add_argument("--trained", action="append", default=[])
    parser.add_argument("--adapter", action="append", default=[])
    parser.add_argument("--forms", default="")
    parser.add_argument("--work", default=os.path.join(ROOT, "build", "export"))
    parser.add_argument("--rows")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--help", "-h", action="store_true")
    given = parser.parse_args()
    if given.help:
        print(__doc__.strip())
        return 0
    names = given.models.split(",")
    if given.adapter and len(names) != 1:
        fail("--adapter: expected one model in --models, its base")
    slick = Slick(os.path.abspath(given.slick), given.threads)
    rows = [json.loads(line) for line in open(given.rows)] if given.rows and os.path.exists(given.rows) else []
    done = {(row["model"], row["form"]) for row in rows}
    for name in names:
        model = name if os.path.exists(name) else run([os.path.join(ROOT, "tools", "get-model.sh"), name]).strip()
        work = os.path.join(given.work, os.path.basename(name))
        os.makedirs(work, exist_ok=True)
        plain = slick.last(model)
        for form, make, path, adapter, bound in forms_of(slick, name, model, work, given):
            if given.forms and not any(f in form for f in given.forms.split(",")):
                continue
            if (name, form) in done:
                continue
            start = time.time()
            make()
            row, answers = check(slick, name, form, path, adapter, bound, given.threads, plain)
            rows.append(row)
            print(f"{name}: {form} in {row['by']}: {row['share']} of the range, {row['best']}, {row['answers']}, "
                  f"{time.time() - start:.0f} s; {answers[:3]}", *row["wrong"], sep="\n  WRONG: ", file=sys.stderr)
            if given.rows:
                with open(given.rows, "a") as f:
                    f.write(json.dumps(row) + "\n")
        if not given.keep:
            shutil.rmtree(work)
    print_table(rows)
    if not rows:
        fail("nothing was checked")
    n_wrong = sum(len(row["wrong"]) for row in rows)
    if n_wrong:
        fail(f"{n_wrong} figures are out of bounds")
    return 0


if __name__ == "__main__":
    sys.exit(main())
