#!/usr/bin/env python3
"""Builds all tests of the workspace, then runs their files: files that mostly wait run two side by side, files that
measure or load the machine run alone.

  provisioner/tests/run.py [--list] [WORD...]     only files with one of the words in their name

A file is what `cargo test` runs as one: the unit tests of a crate, or one of its `tests/*.rs`. Each has a deadline. The output of a
file is shown if it failed. The last line counts the tests. A test that says `not run: …` and passes is counted as skipped.
Exit code: 0 if all passed, 1 if one failed.
"""
import json, os, pathlib, re, subprocess, sys, threading, time

# The deadline in minutes. The longest file takes a fifth of that on two cores.
DEADLINE = 30
# The files that run alone: they kill under load, promise times, or keep both cores busy themselves. Two files of a laptop
# mostly wait for receives and restarts, with deadlines that a second file beside them does not reach.
ALONE = re.compile(r"laptop(?!_factoauto|_noted)|chaos|crash|many|scale|damaged|bounds|forwarder_opensearch|engines|supervisor|tls|runtime/tests/sendy")
# The longest files come first, so that the last one does not run by itself. Others follow in their order.
LONG = ["crash", "kinds_compute", "mutations", "kinds_net", "kinds_data", "provisioner/tests/sendy", "adversity", "explained", "laptop_noted", "laptop_factoauto", "donuts"]

lock = threading.Lock()


def build():
    """The executables of all tests: (name, path, folder of the package)."""
    command = ["cargo", "test", "--locked", "--workspace", "--no-run", "--message-format=json-render-diagnostics"]
    lines = subprocess.run(command, stdout=subprocess.PIPE, check=False)
    if lines.returncode:
        sys.exit(lines.returncode)
    here = pathlib.Path.cwd()
    found = {}
    for line in lines.stdout.splitlines():
        message = json.loads(line)
        if message.get("reason") != "compiler-artifact" or not message.get("executable") or not message["profile"]["test"]:
            continue
        folder = pathlib.Path(message["manifest_path"]).parent
        source = pathlib.Path(message["target"]["src_path"])
        name = str(source.relative_to(here)).removesuffix(".rs")
        found[name] = (name, message["executable"], folder)
    return sorted(found.values(), key=lambda file: (rank(file[0]), file[0]))


def rank(name):
    return next((place for place, word in enumerate(LONG) if name.endswith(word)), len(LONG))


class Count:
    def __init__(self):
        self.passed = self.failed = 0
        self.broken, self.not_run = [], []


def run(file, count):
    name, executable, folder = file
    began = time.monotonic()
    # cargo sets this too, for files that the tests read at run time.
    environment = dict(os.environ, CARGO_MANIFEST_DIR=str(folder))
    try:
        # The output of a test is kept, also if it passes: it may say that it was not run.
        ended = subprocess.run([executable, "--show-output"], cwd=folder, env=environment, stdin=subprocess.DEVNULL,
                               stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=DEADLINE * 60, check=False)
        output, code = ended.stdout.decode(errors="replace"), ended.returncode
    except subprocess.TimeoutExpired as late:
        output, code = (late.stdout or b"").decode(errors="replace") + f"\nended after {DEADLINE} minutes", -1
    result = re.search(r"^test result: .*?(\d+) passed; (\d+) failed; (\d+) ignored", output, re.M)
    passed, failed = (int(result[1]), int(result[2])) if result else (0, 0)
    # The output of a test is below `---- name stdout ----`.
    said = re.findall(r"^---- (\S+) stdout ----\n((?:(?!^----).*\n)*)", output, re.M)
    not_run = [(test, why) for test, text in said for why in re.findall(r"^not run: (.*)$", text, re.M)]
    with lock:
        count.passed += passed - len(not_run)
        count.failed += max(failed, 1) if code else 0
        count.not_run += [f"{name} {test}: {why}" for test, why in not_run]
        word = "FAILED" if code else "ok"
        print(f"{word:6} {time.monotonic() - began:6.1f} s  {passed:4} passed  {name}", flush=True)
        if code:
            count.broken.append(name)
            print(output, flush=True)


def work(files, count):
    while True:
        with lock:
            if not files:
                return
            file = files.pop(0)
        run(file, count)


def main():
    words = [word for word in sys.argv[1:] if not word.startswith("--")]
    files = [file for file in build() if not words or any(word in file[0] for word in words)]
    alone = [file for file in files if ALONE.search(file[0])]
    beside = [file for file in files if file not in alone]
    if "--list" in sys.argv:
        for file in beside + alone:
            print(file[0], "alone" if file in alone else "")
        return 0
    count = Count()
    began = time.monotonic()
    workers = [threading.Thread(target=work, args=(beside, count)) for _ in range(2)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    work(alone, count)
    print(f"all files after {time.monotonic() - began:.0f} s")
    for line in count.not_run:
        print(f"not run: {line}")
    for name in count.broken:
        print(f"failed: {name}")
    print(f"{count.passed} passed, {count.failed} failed, {len(count.not_run)} skipped")
    return 1 if count.failed or not count.passed else 0


if __name__ == "__main__":
    sys.exit(main())
