"""Battles of two mirrored armies of eight units: state, rules, a scripted opponent and an expert, many games at once.

Rules. A tick: every own unit attacks the one enemy that the player names, every enemy attacks the own unit nearest to
it. A unit whose target is within its range takes `damage` x 0.35 off it, otherwise it moves towards it by `speed`; hits
count after all have acted. A game ends after 60 ticks or when a side has no unit left; the player wins by killing all
enemies, or with more hit points left at the end.

The expert names the living enemy with the largest
    damage x (own damage of units that have it in range + 3) / hit points - 2 x distance to the nearest own unit.
"""

from dataclasses import dataclass

import numpy as np

from flopwise.core.seeds import numpy_generator

UNITS, SLOTS, TICKS, SHARE = 8, 32, 60, 0.35
TYPES = ("soldier", "archer", "guard")
HIT_POINTS, DAMAGE = np.array([10.0, 6.0, 16.0]), np.array([1.2, 2.0, 0.8])
RANGE, SPEED = np.array([0.18, 0.35, 0.12]), np.array([0.05, 0.05, 0.07])
FEATURES = ("enemy", *TYPES, "x", "y", "hit points", "share of hit points", "damage", "range", "speed")
FIELDS = {
    "units": f"float32 (n, {SLOTS}, {len(FEATURES)}): features of each unit, zero in empty slots; hit points / 16, "
    "damage / 2",
    "mask": f"bool (n, {SLOTS}): slots that hold a living unit; units stand in random slots",
    "target": "int64 (n,): slot of the enemy that the expert attacks",
    "outcome": "uint8 (n,): 1 where the player won this game",
    "game": "int32 (n,): which game the state is from",
}


@dataclass
class State:
    """G games: `kind` int (G, 16), own units first; `place` (G, 16, 2) in a field of 1 by 1; `health` (G, 16)."""

    kind: np.ndarray
    place: np.ndarray
    health: np.ndarray

    @property
    def alive(self) -> np.ndarray:
        return self.health > 0

    @property
    def over(self) -> np.ndarray:
        """Games in which a side has no unit left, bool (G,)."""
        return ~(self.alive[:, :UNITS].any(1) & self.alive[:, UNITS:].any(1))


def make(name: str, sizes: dict[str, int], seed: int):
    arrays, won, baselines = {}, {}, {}
    for split, games in sizes.items():
        recorded = _record(numpy_generator(seed, name, split), games)
        arrays |= {f"{split}_{key}": array for key, array in recorded.items()}
        won[split] = round(float(np.mean([recorded["outcome"][recorded["game"] == g][0] for g in range(games)])), 3)
        enemies = (recorded["units"][..., 0] > 0).sum(1)
        baselines = {"next action by chance (%)": round(float(100 * (1 / enemies).mean()), 2)}
    facts = {
        "unit": "states",
        "features": FEATURES,
        "shares": {f"games won, {split}": share for split, share in won.items()},
    }
    return arrays, {}, {**facts, "baselines": baselines}


def start(rng, games: int) -> State:
    """Both armies with the same units, mirrored at the middle of the field."""
    kind, x, y = rng.integers(0, len(TYPES), (games, UNITS)), rng.random((games, UNITS)), rng.random((games, UNITS))
    x, y = 0.05 + 0.25 * x, 0.1 + 0.8 * y
    place = np.concatenate([np.stack([x, y], -1), np.stack([1 - x, y], -1)], 1)
    kind = np.concatenate([kind, kind], 1)
    return State(kind, place, HIT_POINTS[kind])


def distances(state: State) -> np.ndarray:
    """From each own unit to each enemy, (G, 8, 8)."""
    apart = state.place[:, :UNITS, None] - state.place[:, None, UNITS:]
    return np.sqrt(apart[..., 0] ** 2 + apart[..., 1] ** 2)


def expert(state: State) -> np.ndarray:
    """The enemy (0 to 7) that the expert names, int (G,)."""
    away = np.where(state.alive[:, :UNITS, None], distances(state), 9.0)
    own, enemy = state.kind[:, :UNITS], state.kind[:, UNITS:]
    reach = (np.where(away <= RANGE[own][..., None], DAMAGE[own][..., None], 0.0)).sum(1)
    health = np.maximum(state.health[:, UNITS:], 1e-9)
    value = DAMAGE[enemy] * (reach + 3) / health - 2 * away.min(1)
    return np.where(state.alive[:, UNITS:], value, -1e9).argmax(1)


def weakest(state: State) -> np.ndarray:
    """The living enemy with fewest hit points, int (G,)."""
    health = state.health[:, UNITS:]
    return np.where(health > 0, health, 1e9).argmin(1)


def step(state: State, focus: np.ndarray) -> State:
    """One tick, with `focus` int (G,) the enemy that all own units attack; finished games stay as they are."""
    away = np.where(state.alive[:, :UNITS, None], distances(state), 9.0)
    prey = np.concatenate([np.repeat(focus[:, None] + UNITS, UNITS, 1), away.argmin(1)], 1)
    path = np.take_along_axis(state.place, prey[..., None], 1) - state.place
    length = np.sqrt(path[..., 0] ** 2 + path[..., 1] ** 2)
    acts = state.alive & ~state.over[:, None]
    hits = acts & (length <= RANGE[state.kind])
    loss = np.zeros_like(state.health)
    np.add.at(loss, (np.arange(len(prey))[:, None], prey), np.where(hits, SHARE * DAMAGE[state.kind], 0))
    walk = np.where(acts & ~hits, np.minimum(SPEED[state.kind], length), 0) / np.maximum(length, 1e-9)
    return State(state.kind, state.place + walk[..., None] * path, np.maximum(state.health - loss, 0))


def won(state: State) -> np.ndarray:
    """Whether the player has won, bool (G,); meant for the end of a game."""
    own, enemy = state.health[:, :UNITS].sum(1), state.health[:, UNITS:].sum(1)
    return own > enemy


def play(policy, rng, games: int) -> np.ndarray:
    """Play `games` games to their end; `policy(state)` names the enemy to attack. Returns who won, bool (games,)."""
    state = start(rng, games)
    for _ in range(TICKS):
        state = step(state, policy(state))
    return won(state)


def features(state: State) -> np.ndarray:
    """What is known of the units, float32 (G, 16, 11); zero for the dead."""
    enemy = (np.arange(2 * UNITS) >= UNITS).astype(np.float64) * np.ones((len(state.kind), 1))
    full = HIT_POINTS[state.kind]
    columns = [
        enemy, *(state.kind == k for k in range(len(TYPES))), state.place[..., 0], state.place[..., 1],
        state.health / 16, state.health / full, DAMAGE[state.kind] / 2, RANGE[state.kind], SPEED[state.kind],
    ]  # fmt: skip
    return (np.stack(columns, -1) * state.alive[..., None]).astype(np.float32)


def to_slots(state: State, rng) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Units in random slots: features (G, 32, 11), mask (G, 32), and the slot of each of the 16 units (G, 16)."""
    games = len(state.kind)
    slots = rng.random((games, SLOTS)).argsort(1, kind="stable")[:, : 2 * UNITS]
    units, mask = np.zeros((games, SLOTS, len(FEATURES)), np.float32), np.zeros((games, SLOTS), bool)
    row = np.arange(games)[:, None]
    units[row, slots], mask[row, slots] = features(state), state.alive
    return units, mask, slots


def _record(rng, games: int) -> dict[str, np.ndarray]:
    """States of games in which the expert plays and, in 3 of 10 ticks, a random living enemy is attacked instead."""
    state, parts = start(rng, games), []
    for _ in range(TICKS):
        best, running = expert(state), np.flatnonzero(~state.over)
        units, mask, slots = to_slots(state, rng)
        target = np.take_along_axis(slots, best[:, None] + UNITS, 1)[:, 0]
        parts.append((running, units[running], mask[running], target[running]))
        anyone = np.where(state.alive[:, UNITS:], rng.random((games, UNITS)), -1).argmax(1)
        state = step(state, np.where(rng.random(games) < 0.3, anyone, best))
    game, units, mask, target = (np.concatenate(column) for column in zip(*parts))
    outcome = won(state).astype(np.uint8)[game]
    order = np.argsort(game, kind="stable")
    named = {"units": units, "mask": mask, "target": target, "outcome": outcome, "game": game.astype(np.int32)}
    return {key: array[order] for key, array in named.items()}
