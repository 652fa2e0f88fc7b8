"""The next step toward what is wanted: no copy goes before those that stay are proved."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from reelkeep.blobs.models import CopyState
from reelkeep.placement.plan import (
    Have,
    Keep,
    LetGo,
    Lost,
    Make,
    Move,
    Reclass,
    Remove,
    Verify,
    degraded,
    next_move,
    relocated,
)
from reelkeep.placement.rules import Place

A, B, C = Place("a"), Place("b"), Place("c")
PRESENT = CopyState.PRESENT


def test_a_wanted_copy_is_made_from_one_that_was_verified() -> None:
    have = [Have("c", PRESENT), Have("b", PRESENT, verified=True)]
    assert next_move((A,), have) == Make(A, "b")


def test_what_stays_is_read_before_anything_is_let_go() -> None:
    have = [Have("a", PRESENT), Have("b", PRESENT, verified=True)]
    assert next_move((A,), have) == Verify("a")
    assert next_move((A,), [replace(have[0], verified=True), have[1]]) == LetGo("b")


def test_what_was_read_long_ago_is_read_again_before_another_copy_goes() -> None:
    have = [Have("a", PRESENT, verified=True, stale=True), Have("b", PRESENT, verified=True)]
    assert next_move((A,), have) == Verify("a")
    assert next_move((A, B), have) is None
    cold = Place("a", "GLACIER")
    assert next_move((cold,), [replace(have[0], storage_class="GLACIER"), have[1]]) == LetGo("b")


def test_nothing_is_let_go_while_a_wanted_copy_is_missing_or_being_made() -> None:
    for state in (CopyState.MAKING, CopyState.MISSING, CopyState.DAMAGED):
        have = [Have("a", state, claimed=True), Have("b", PRESENT, verified=True)]
        assert not isinstance(next_move((A,), have), LetGo | Remove)


def test_a_bad_copy_is_made_again_from_a_good_one() -> None:
    have = [Have("a", CopyState.DAMAGED), Have("b", PRESENT)]
    assert next_move((A, B), have) == Make(A, "b")


def test_without_any_readable_copy_it_is_lost_and_nothing_is_removed() -> None:
    assert next_move((A,), [Have("a", CopyState.MISSING)]) == Lost()
    assert next_move((A,), [Have("a", CopyState.MISSING), Have("b", CopyState.DAMAGED)]) == Lost()


def test_a_claim_of_a_dead_writer_is_taken_over_and_a_living_one_is_waited_for() -> None:
    have = [Have("a", CopyState.MAKING), Have("b", PRESENT, verified=True)]
    assert next_move((A,), have) == Make(A, "b")
    assert next_move((A,), [replace(have[0], claimed=True), have[1]]) is None


def test_a_copy_that_was_let_go_is_kept_when_it_is_wanted_again_unless_its_removal_has_begun() -> None:
    gone = Have("a", CopyState.DELETING, remove_due=True)
    other = Have("b", PRESENT, verified=True)
    assert next_move((A,), [gone, other]) == Keep("a")
    assert next_move((A,), [replace(gone, claimed=True), other]) == Remove("a")


def test_links_that_were_given_out_are_outlived() -> None:
    have = [Have("a", PRESENT, verified=True), Have("b", CopyState.DELETING)]
    assert next_move((A,), have) is None
    assert next_move((A,), [have[0], replace(have[1], remove_due=True)]) == Remove("b")


def test_another_class_is_given_where_the_bytes_can_be_read() -> None:
    cold = Place("a", "GLACIER")
    assert next_move((cold,), [Have("a", PRESENT, verified=True)]) == Reclass("a", "GLACIER")
    archived = Have("a", PRESENT, "GLACIER", verified=True)
    assert next_move((A,), [archived]) is None
    assert next_move((A,), [replace(archived, restore_state="ready")]) == Reclass("a", "")


def test_an_archived_copy_is_no_source() -> None:
    assert next_move((A, B), [Have("a", PRESENT, "DEEP_ARCHIVE"), Have("c", PRESENT)]) != Make(B, "a")


def test_what_nobody_needs_is_let_go_in_every_store() -> None:
    assert next_move((), [Have("a", PRESENT)]) == LetGo("a")


def test_moves_between_stores_follow_one_another_and_never_leave_a_blob_without_a_place() -> None:
    classes = {"b": frozenset({"COLD"})}
    assert relocated((Place("a", "COLD"),), {"a": "b"}, classes) == (Place("b", "COLD"),)
    assert relocated((Place("a", "COLD"),), {"a": "c"}, classes) == (C,)
    assert relocated((A, B), {"a": "b"}, classes) == (B,)
    assert relocated((A,), {"a": "b", "b": "c"}, classes) == (C,)
    assert relocated((A, B), {"a": None}, classes) == (B,)
    assert relocated((A,), {"a": None}, classes) == (A,)
    assert relocated((A,), {"a": "b", "b": "a"}, classes) == (A,)


def test_bytes_that_lie_only_where_they_were_taken_in_are_degraded() -> None:
    assert degraded((A,), [Have("b", PRESENT)])
    assert not degraded((A,), [Have("a", PRESENT), Have("b", PRESENT)])


haves = st.lists(
    st.builds(
        Have,
        store=st.sampled_from("abcd"),
        state=st.sampled_from(CopyState),
        storage_class=st.sampled_from(["", "GLACIER"]),
        verified=st.booleans(),
        claimed=st.booleans(),
        remove_due=st.booleans(),
    ),
    max_size=4,
    unique_by=lambda have: have.store,
)
places = st.lists(
    st.builds(Place, st.sampled_from("abcd"), st.sampled_from(["", "GLACIER"])),
    min_size=1,
    max_size=3,
    unique_by=lambda place: place.store,
).map(tuple)


@given(places, haves)
def test_no_step_ever_takes_away_the_last_proved_copy_that_is_wanted(
    wanted: tuple[Place, ...], have: list[Have]
) -> None:
    move = next_move(wanted, have)
    stores = {place.store for place in wanted}
    by_store = {copy.store: copy for copy in have}
    if isinstance(move, LetGo):
        assert move.store not in stores
        assert all(by_store[s].state == PRESENT and by_store[s].verified for s in stores)
    if isinstance(move, Remove):
        assert by_store[move.store].state == CopyState.DELETING
        assert by_store[move.store].remove_due or by_store[move.store].claimed


@given(places, haves)
def test_steps_come_to_rest_with_every_wanted_place_filled_when_the_bytes_can_be_read(
    wanted: tuple[Place, ...], have: list[Have]
) -> None:
    now = {copy.store: replace(copy, claimed=False, storage_class="", remove_due=True) for copy in have}
    readable = any(copy.readable for copy in now.values())
    for _ in range(60):
        move = next_move(wanted, list(now.values()))
        if move is None or isinstance(move, Lost):
            break
        _do(move, now)
    else:
        raise AssertionError("it does not come to rest")
    if readable:
        assert {p.store for p in wanted} == set(now)
        assert all(copy.state == PRESENT for copy in now.values())
        assert all(now[p.store].storage_class == p.storage_class for p in wanted)


def _do(move: Move, now: dict[str, Have]) -> None:
    """What reconcile does, when all goes well."""
    match move:
        case Make(place, _):
            now[place.store] = Have(place.store, PRESENT, place.storage_class, verified=True)
        case Reclass(store, storage_class):
            now[store] = replace(now[store], storage_class=storage_class)
        case Verify(store):
            now[store] = replace(now[store], verified=True)
        case Keep(store):
            now[store] = replace(now[store], state=PRESENT, verified=False)
        case LetGo(store):
            now[store] = replace(now[store], state=CopyState.DELETING, remove_due=True)
        case Remove(store):
            del now[store]
