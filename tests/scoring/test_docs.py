"""What `docs/scoring.md` shows is run as it stands there."""

import msgspec

from contracts.settings import Settings, VocabSettings
from model.serving import Predictor
from scoring.ranker import rank
from tests.golden.compare import assert_same_bits
from tests.support.paths import python_blocks
from tests.support.scoring_samples import make_read, make_request, save_snapshot


def test_what_was_logged_scores_the_same_bits_again(tmp_path):
    settings = Settings(vocab=VocabSettings.uniform(capacity=128, rare_slots=64), data_dir=str(tmp_path))
    published = save_snapshot(settings, 1)
    ((_, served),) = rank([make_request(1)], make_read([9]), Predictor.load(published.path), 0, lambda: 0)
    names: dict = {}
    code = python_blocks("docs/scoring.md")[-1]
    exec(code, names)
    assert_same_bits(names["recomputed"](served, published.path), served.probabilities)
    other = save_snapshot(msgspec.structs.replace(settings, data_dir=str(tmp_path / "other")), 2)
    assert not (names["recomputed"](served, other.path) == served.probabilities).any()
