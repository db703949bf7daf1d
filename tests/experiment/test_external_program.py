"""How an external program is called: its placeholders, and a seed that follows the events and not their place."""

from __future__ import annotations

from synthetic import random_events

from smartbkg.experiment.external_program import ExternalProgram, seed_of_call


def test_only_placeholders_that_the_command_holds_are_looked_up() -> None:
    batch = random_events(3)
    assert ExternalProgram("sim {input} {output}").values(batch, 4) == {"part": 4, "events": 3}
    values = ExternalProgram("sim {input} {output} {run} {experiment} {seed}").values(batch, 0)
    assert (values["experiment"], values["run"]) == (7, int(batch.event["run"][0]))
    assert 1 <= int(str(values["seed"])) <= 900_000_000


def test_the_seed_of_a_call_depends_on_its_events_and_not_on_its_number() -> None:
    program = ExternalProgram("sim {seed}", seed=5)
    first, second = random_events(20), random_events(20, seed=1)
    assert program.values(first, 0)["seed"] == program.values(first, 9)["seed"]
    seeds = {
        seed_of_call(first, 5),
        seed_of_call(second, 5),
        seed_of_call(first, 6),
        seed_of_call(first.slice(0, 19), 5),
    }
    assert len(seeds) == 4, "other events, another seed, or fewer events draw other numbers"


def test_events_of_equal_ids_and_other_content_get_other_seeds() -> None:
    one, other = random_events(5), random_events(5)
    other.particle["px"] = other.particle["px"] + 1
    assert seed_of_call(one, 1) != seed_of_call(other, 1)
