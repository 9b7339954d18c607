"""No key without an effect: every leaf of the policies is claimed by exactly one observation (effects.py)."""

from importlib import import_module
from pathlib import Path

from armature.engine.policies import Policies
from armature.runtime.shape import leaves
from tests.model.effects import CLAIMS


def test_every_policy_key_is_shown_to_have_its_effect() -> None:
    for file in Path(__file__).parent.glob("test_effects_*.py"):
        import_module(f"tests.model.{file.stem}")
    keys = {leaf.key for leaf in leaves(Policies)}
    assert sorted(keys - CLAIMS.keys()) == [], "no test flips these keys"
    assert {key: tests for key, tests in CLAIMS.items() if len(tests) > 1} == {}, "claimed more than once"
