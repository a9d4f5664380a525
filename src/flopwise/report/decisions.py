"""Claims as the run judged them, and beside them what added seeds say (`flopwise decide`)."""

from flopwise.core.io import read_json


def judged(study) -> dict:
    """The content of a study's claims.json. A claim that seeds were added to has their `decision`; `stale` there: it is about
    another rule or other numbers than the run's own now."""
    content = read_json(study.job("claims").outputs[0])
    decisions = {one["claim"]: one for one in map(read_json, study.decisions)}
    for claim in content["claims"]:
        if one := decisions.get(claim["id"]):
            same = {"rule_sha256": one["rule_sha256"], **one["ordinary"]}
            claim["decision"] = one | {"stale": any(claim[key] != value for key, value in same.items())}
    return content
