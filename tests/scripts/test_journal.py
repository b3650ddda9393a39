"""What the end-to-end test compares a tenant's data with."""

from scripts.verification.flow.journal import File, Journal


def written(journal: Journal, key: str, content: bytes) -> None:
    journal.begin(key, File(content))
    journal.end(key)


def test_what_is_as_acknowledged_does_not_differ() -> None:
    journal = Journal()
    written(journal, "a", b"1")
    written(journal, "a", b"2")
    written(journal, "b", b"1")
    journal.begin("b", None)
    journal.end("b")
    assert list(journal.differences({"a": File(b"2")})) == []
    assert (journal.writes, journal.overwrites, journal.deletes) == (3, 1, 1)


def test_each_kind_of_loss_is_told() -> None:
    journal = Journal()
    for key in ("lost", "changed", "gone"):
        written(journal, key, b"1")
    journal.begin("gone", None)
    journal.end("gone")
    found = {"changed": File(b"22"), "gone": File(b"1"), "strange": File(b"x")}
    assert list(journal.differences(found)) == [
        "acknowledged and lost: lost",
        "deleted and there again: gone",
        "not as acknowledged: changed (content: 2 bytes, not 1)",
        "there and never written: strange",
    ]


def test_metadata_and_tags_are_part_of_a_file() -> None:
    journal = Journal()
    journal.begin("a", File(b"1", metadata={"owner": "x"}, tags={"t": "1"}))
    journal.end("a")
    assert list(journal.differences({"a": File(b"1", metadata={"owner": "x"}, tags={})})) == [
        "not as acknowledged: a (tags: 1 bytes, not 1)"
    ]


def test_a_change_that_was_never_answered_may_have_happened_or_not() -> None:
    journal = Journal()
    written(journal, "a", b"old")
    journal.begin("a", File(b"new"))
    for content in (b"old", b"new"):
        assert list(journal.differences({"a": File(content)})) == []
    assert list(journal.differences({"a": File(b"else")})) != []
    journal.begin("b", None)
    assert list(journal.differences({"a": File(b"old")})) == []


def test_a_denied_change_has_changed_nothing() -> None:
    journal = Journal()
    written(journal, "a", b"old")
    journal.begin("a", File(b"new"))
    journal.withdraw("a")
    assert list(journal.differences({"a": File(b"old")})) == []
    assert list(journal.differences({"a": File(b"new")})) != []


def test_a_reader_sees_whether_a_key_changed_under_it() -> None:
    journal = Journal()
    before = journal.state("a")
    assert before == (0, None)
    journal.begin("a", File(b"1"))
    assert journal.state("a")[0] % 2 == 1
    journal.end("a")
    number, file = journal.state("a")
    assert (number % 2, file) == (0, File(b"1"))


def test_many_differences_of_a_kind_are_counted() -> None:
    journal = Journal()
    for number in range(9):
        written(journal, f"k{number}", b"1")
    told = list(journal.differences({}))
    assert len(told) == 6
    assert told[-1] == "acknowledged and lost: 4 more"
