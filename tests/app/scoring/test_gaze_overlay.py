import numpy as np
import pytest

from app.scoring.gaze_overlay import Fixated, drawn, read_fixations
from app.scoring.questions import DataError


def test_the_gaze_is_a_green_dot_in_a_red_circle_while_it_lasts():
    image = np.full((360, 640, 3), 90, np.uint8)
    shown = drawn(image, 1.5, (Fixated(1.0, 2.0, 0.5, 0.5),))
    assert tuple(shown[180, 320]) == (0, 255, 0)
    assert tuple(shown[180, 420]) == (255, 0, 0)
    assert tuple(shown[180, 370]) == (90, 90, 90)
    assert (image == 90).all()
    assert drawn(image, 2.5, (Fixated(1.0, 2.0, 0.5, 0.5),)) is image


def test_a_real_table_of_fixations_is_read(shared):
    folder = shared / "benchmarks" / "streamgaze" / "sample"
    found = read_fixations(next(folder.glob("*.csv")))
    assert len(found) == 35
    assert (found[0].start, round(found[0].x, 3)) == (32.0, 0.555)


@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", "start_time_seconds\nx\n"])
def test_what_is_no_table_of_fixations_is_refused_or_empty(tmp_path, text):
    path = tmp_path / "gaze.csv"
    path.write_text(text)
    if text:
        with pytest.raises(DataError, match="gaze"):
            read_fixations(path)
    else:
        assert read_fixations(path) == ()
