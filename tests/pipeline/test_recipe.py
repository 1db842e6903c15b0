"""A mistake in a recipe is one line that names file, key and what is allowed."""

from __future__ import annotations

import pytest

from hornbook.core.errors import InputError, RecipeError
from hornbook.core.processes import cores
from hornbook.pipeline.config import Dial

HEAD = '[fetch]\ndocs = "docs"\n'


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("size = [", "isle.toml: this is not TOML: "),
        ('size = "lapop"\n' + HEAD, "isle.toml: there is no size 'lapop'; did you mean laptop? there are: tiny"),
        ("depht = 3\n" + HEAD, "isle.toml: there is no key or section 'depht'; did you mean depth? there are: size, "),
        ("depth = 0\n" + HEAD, "isle.toml: depth = 0 cannot be; depth must be a whole number from 1"),
        ('seed = "x"\n' + HEAD, "isle.toml: seed = 'x' cannot be; seed must be a whole number from 0"),
        ("fetch = 3\n", "isle.toml: fetch must be a section; write [fetch] above its keys"),
        (HEAD + "[lern]\n", "there is no key or section 'lern'; did you mean learn?"),
        (HEAD + "[learn]\nstep = 3\n", "isle.toml, [learn]: there is no key 'step'; did you mean steps? there are:"),
        (HEAD + "[learn]\nsteps = 0\n", "isle.toml, [learn]: steps = 0 cannot be: input should be greater than"),
        (HEAD + "[learn]\nsteps = 0\n", "steps is how many steps, from 1 to 1000"),
        (HEAD + '[learn]\nsteps = "many"\n', "steps = 'many' cannot be: input should be a valid integer"),
        ("[learn]\nsteps = 3\n", "isle.toml, [fetch]: docs is missing; set it in [fetch]"),
        ('[fetch]\ndocs = "nowhere"\n', "docs = 'nowhere' cannot be: there is no /"),
        (HEAD + '[run]\ndevice = "tpu"\n', 'device is "auto", "cpu" or "cuda"'),
        (HEAD + '[run]\nlauncher = "lsf"\n', "launcher = 'lsf' cannot be: input should be 'inprocess', 'local',"),
    ],
)
def test_every_mistake_is_one_line(bench, text, said):
    bench.write(text)
    with pytest.raises(RecipeError) as caught:
        bench.recipe()
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)
    assert caught.value.exit_code == 2


def test_more_threads_than_this_machine_has_processors_are_refused(bench):
    says = r"\[run\]: threads = 999 cannot be: this machine has \d+ processors?; leave it out, or set it to \d+ at most"
    with pytest.raises(RecipeError, match=says):
        bench.recipe("run.threads=999")
    assert bench.recipe(f"run.threads={cores()}").machine.threads == cores()
    assert bench.recipe("run.threads=999", "run.launcher=slurm").machine.threads == 999  # of other machines


def test_no_such_recipe(bench):
    bench.recipe_path = bench.folder / "ilse.toml"
    with pytest.raises(RecipeError, match=r"there is no such recipe; the recipes here are .*isle\.toml"):
        bench.recipe()


def test_the_ending_may_be_left_out(bench):
    bench.recipe_path = bench.folder / "isle"
    assert bench.recipe().name == "isle"


def test_settings_win_over_the_recipe(bench):
    read = bench.recipe("learn.steps=7", "words.lower=false", "fetch.letters=xyz", "size=laptop", "seed=3")
    assert read.configs["learn"].steps == 7
    assert read.configs["words"].lower is False
    assert read.configs["fetch"].letters == "xyz"
    assert read.dial == Dial("laptop", 4, 3)


@pytest.mark.parametrize("setting", ["learn.steps", "=3", "size.of=3"])
def test_a_setting_that_is_none(bench, setting):
    with pytest.raises(RecipeError, match=r"write --set stage\.key=value"):
        bench.recipe(setting)


def test_a_setting_with_a_wrong_key(bench):
    with pytest.raises(RecipeError, match="did you mean steps"):
        bench.recipe("learn.stesp=3")


def test_the_dial_derives_what_the_recipe_leaves_out(bench):
    assert bench.recipe().configs["learn"].width == 128
    assert bench.recipe("depth=3").configs["learn"].width == 192
    assert bench.recipe("depth=3", "learn.width=8").configs["learn"].width == 8


def test_what_several_stages_read_is_set_at_the_top(bench, monkeypatch):
    monkeypatch.setattr(bench.recipe().step("learn").stage.config, "shared", ("steps",))
    bench.write("steps = 7\n" + HEAD)
    assert bench.recipe().configs["learn"].steps == 7
    assert bench.recipe("steps=9").configs["learn"].steps == 9
    with pytest.raises(RecipeError, match=r"\[learn\]: steps is not learn's alone; set steps at the recipe's top"):
        bench.recipe("learn.steps=3")
    bench.write("stpes = 7\n" + HEAD)
    with pytest.raises(RecipeError, match="did you mean steps"):
        bench.recipe()


def test_processes_that_cannot_share_are_one_line(bench):
    with pytest.raises(RecipeError, match=r"\[run\]: tensor = 4 does not divide processes x machines = 6"):
        bench.recipe("run.processes=2", "run.machines=3", "run.tensor=4")
    assert bench.recipe("run.processes=4", "run.tensor=2").machine.tensor == 2


def test_no_such_step(bench):
    with pytest.raises(RecipeError, match="there is no step 'lern'; did you mean learn"):
        bench.run(until="lern")


def test_what_was_outside_is_gone(bench):
    read = bench.recipe()
    for path in (bench.folder / "docs").iterdir():
        path.unlink()
    (bench.folder / "docs").rmdir()
    from hornbook.pipeline.plan import make_plan

    with pytest.raises(InputError, match="this is gone; put it back or name another"):
        make_plan(read, bench.workspace)
