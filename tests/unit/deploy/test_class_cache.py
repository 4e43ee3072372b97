"""What is kept of Kafka's classes: made once, done without where it cannot be made."""

from pathlib import Path

from deploy.local.class_cache import class_cache
from deploy.local.errors import CannotStart


class Trainer:
    """Leaves a file of classes, or fails; counts how often it was asked."""

    def __init__(self, *, fails: bool = False) -> None:
        self.fails, self.runs = fails, 0

    def __call__(self, folder: Path, classes: Path) -> None:
        self.runs += 1
        assert folder.is_dir()
        if self.fails:
            raise CannotStart("no port is free")
        classes.write_bytes(b"classes")


def test_a_broker_is_run_for_it_once(tmp_path: Path) -> None:
    train, told = Trainer(), {"KEPT_CACHE": str(tmp_path / "cache")}
    first, second = class_cache(told, train), class_cache(told, train)
    assert first is not None
    assert (first.read_bytes(), second, train.runs) == (b"classes", first, 1)
    assert {path.name for path in first.parent.iterdir()} == {first.name, "lock"}, "nothing of the training stays"


def test_where_it_cannot_be_made_a_broker_starts_without_it_and_it_is_not_tried_again(tmp_path: Path) -> None:
    train, told = Trainer(fails=True), {"KEPT_CACHE": str(tmp_path)}
    assert [class_cache(told, train), class_cache(told, train), train.runs] == [None, None, 1]


def test_a_cache_that_nobody_can_write_to_is_done_without(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert class_cache({"KEPT_CACHE": str(tmp_path / "file" / "cache")}, Trainer()) is None
