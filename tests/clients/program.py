"""How each program here is called: settings from the environment, one line of JSON out, exit status 0 or 1."""
import json
import os
import sys


def setting(name: str, otherwise: str | None = None) -> str:
    """A setting of the environment; without `otherwise` it must be there."""
    value = os.environ.get(name) or otherwise
    if value is None:
        raise KeyError(f"set {name}")
    return value


def must(holds, otherwise: str) -> None:
    """Fails unless what was found is what must be."""
    if not holds:
        raise RuntimeError(otherwise)


def program(main) -> None:
    """Runs `main`, which is handed `step(name)` to say what it does now, and prints what it returns."""
    steps = ["start"]
    try:
        result = main(steps.append)
    except Exception as error:  # noqa: BLE001, a test prints whatever went wrong
        print(json.dumps({"ok": False, "step": steps[-1], "error": f"{type(error).__name__}: {error}"}))
        sys.exit(1)
    print(json.dumps({"ok": True, "steps": steps[1:], **result}))
