"""The fixtures of conftest.py: no pass without servers where they are required."""

from pathlib import Path

from tests.support.inner_run import run


def test_without_servers_a_test_is_skipped_with_the_choices(tmp_path: Path) -> None:
    done = run(tmp_path, PATH=str(tmp_path))
    assert "1 skipped" in done.stdout
    assert done.returncode == 0


def test_required_servers_that_are_missing_are_a_failure(tmp_path: Path) -> None:
    done = run(tmp_path, PATH=str(tmp_path), REQUIRE_SERVICES="1")
    assert done.returncode == 1
    assert "no redis-server on this machine" in done.stdout
    assert "docker compose up" in done.stdout
