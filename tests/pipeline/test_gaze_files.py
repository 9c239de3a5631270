"""Files of gaze: each format on the video's clock, and errors that say what to do."""

from __future__ import annotations

import math

import numpy as np
import pytest

from models.gaze.geometry import NEON
from pipeline.sources.gaze import GazeError, read_gaze


def write(tmp_path, text, name="gaze.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return path


def near(track, *expected):
    """Time, x and y of the first samples."""
    rows = np.column_stack([track.times, track.points])[: len(expected)]
    assert np.allclose(rows, expected, atol=1e-6, equal_nan=True)


def test_a_real_neon_recording_is_on_the_clock_of_its_video(shared):
    track = read_gaze(shared / "gaze" / "neon_demo" / "gaze.csv")
    assert (track.format, len(track), round(track.rate)) == ("pupil-cloud", 1788, 200)
    # The first scene frame came 0.78 s before the first sample.
    near(track, (0.780047, 719.783 / 1600, 749.776 / 1200))
    assert "world_timestamps_ps1.csv" in " ".join(track.remarks)
    assert track.times[-1] == pytest.approx(9.743, abs=0.01)


PUPIL = """section id,recording id,timestamp [ns],gaze x [px],gaze y [px],worn,fixation id,blink id
a,b,1700000000000000000,544,540,1,1,
a,b,1700000000005000000,,,1,,1
a,b,1700000000010000000,272,270,0,,
"""


def test_pupil_cloud_of_an_invisible_needs_to_be_told_its_size(tmp_path):
    path = write(tmp_path, PUPIL)
    with pytest.raises(GazeError, match="frame_size"):
        read_gaze(path)
    track = read_gaze(path, frame_size=(1088, 1080))
    near(track, (0, 0.5, 0.5), (0.005, math.nan, math.nan), (0.01, 0.25, 0.25))
    assert track.confidence.tolist() == [1, 1, 0]
    assert "first sample" in " ".join(track.remarks)


def test_the_scene_cameras_times_start_the_clock(tmp_path):
    path = write(tmp_path, PUPIL)
    write(tmp_path, "timestamp [ns]\n1699999999000000000\n", "world_timestamps.csv")
    near(read_gaze(path, frame_size=(1088, 1080), offset=-0.25), (0.75, 0.5, 0.5))


def test_an_invisibles_own_files(tmp_path):
    np.array([544, 540, 272, 270], "<f4").tofile(tmp_path / "gaze ps1.raw")
    np.array([2_000_000_000, 2_005_000_000], "<i8").tofile(tmp_path / "gaze ps1.time")
    np.array([1_500_000_000], "<i8").tofile(tmp_path / "PI world v1 ps1.time")
    near(read_gaze(tmp_path / "gaze ps1.raw"), (0.5, 0.5, 0.5), (0.505, 0.25, 0.25))
    np.array([1], "<i8").tofile(tmp_path / "gaze ps1.time")
    with pytest.raises(GazeError, match="4 numbers for 1 times"):
        read_gaze(tmp_path / "gaze ps1.raw")


def test_pupil_core_counts_from_the_bottom(tmp_path):
    text = "gaze_timestamp,world_index,confidence,norm_pos_x,norm_pos_y\n100.5,0,0.9,0.2,0.9\n"
    near(read_gaze(write(tmp_path, text)), (0, 0.2, 0.1))


TOBII = (
    "\ufeffRecording timestamp{unit}\tSensor\tGaze point X [MCS px]\tGaze point Y [MCS px]\t"
    "Validity left\tValidity right\tRecording resolution width\tRecording resolution height\n"
    "{a}\tEye Tracker\t960\t540\tValid\tInvalid\t1920\t1080\n"
    "{b}\tMouse\t\t\t\t\t1920\t1080\n"
    "{b}\tEye Tracker\t480\t270,0\tInvalid\tInvalid\t1920\t1080\n"
)


@pytest.mark.parametrize(
    "unit, a, b", [(" [ms]", "20", "40"), (" [μs]", "20000", "40000"), ("", "20000", "40000")]
)
def test_tobii_pro_lab(tmp_path, unit, a, b):
    track = read_gaze(write(tmp_path, TOBII.format(unit=unit, a=a, b=b), "export.tsv"))
    assert track.format == "tobii"
    near(track, (0.02, 0.5, 0.5), (0.04, 0.25, 0.25))
    assert track.confidence.tolist() == [1, 0]
    assert bool(track.remarks) == (unit == "")


def test_tobii_normalised_in_utf_16(tmp_path):
    text = (
        "Recording timestamp [ms]\tGaze point X [MCS norm]\tGaze point Y [MCS norm]\n5\t0.4\t0.6\n"
    )
    path = tmp_path / "export.tsv"
    path.write_bytes(text.encode("utf-16"))
    near(read_gaze(path), (0.005, 0.4, 0.6))


BEGAZE = "## [BeGaze]\n## Number of Samples:\t3\n## Calibration Area:\t1280\t960\n"


def test_egtea_with_seven_columns_is_placed_by_its_frame_numbers(tmp_path):
    """33.3 ms apart on the tracker's clock, which starts at 5 s; the video at frame 48."""
    text = BEGAZE + "Time\tType\tTrial\tL POR X [px]\tL POR Y [px]\tFrame\tL Event Info\n"
    for i in range(30):
        time = 5 + i / 30
        text += f"{time * 1e6:.0f}\tSMP\t1\t640\t480\t{48 + int(24 * i / 30)}\tFixation\n"
    text += "5999999\tMSG\t1\t# Message: stop\n"
    text += "6000000\tSMP\t1\t0\t0\t72\t-\n"
    track = read_gaze(write(tmp_path, text, "gaze.txt"))
    assert track.times[0] == pytest.approx(2.0, abs=1 / 24)
    assert np.allclose(np.diff(track.times), 1 / 30, atol=1e-5)
    assert np.allclose(track.points[0], 0.5)
    assert track.confidence[-1] == 0 and track.confidence[0] == 1


def test_egtea_with_26_columns_and_no_header(tmp_path):
    def row(time, clock, event):
        cells = ["0"] * 26
        cells[0], cells[1], cells[5], cells[6] = str(time), "SMP", "320", "240"
        cells[24], cells[25] = clock, event
        return "\t".join(cells) + "\n"

    text = (
        BEGAZE + row(7_000_000, "00:01:02:12", "Saccade") + row(7_041_667, "00:01:02:13", "Blink")
    )
    track = read_gaze(write(tmp_path, text, "gaze.txt"))
    near(track, (62.5, 0.25, 0.25))
    assert track.confidence.tolist() == [1, 0]
    with pytest.raises(GazeError, match=r"line 4: 5 columns"):
        read_gaze(write(tmp_path, BEGAZE + "1\tSMP\t1\t2\t3\n", "wrong.txt"))


def test_ego4d(tmp_path):
    text = "component_idx,canonical_timestamp_s,norm_pos_x,norm_pos_y,confidence\n0,3.5,.2,.4,0.7\n"
    track = read_gaze(write(tmp_path, text))
    near(track, (3.5, 0.2, 0.4))
    assert (track.format, track.confidence[0]) == ("ego4d", 0.7)


def test_holoassist_and_egoexolearn(tmp_path):
    text = "frame_idx,timestamp_sec,u,v,valid,in_frame\n"
    text += "0,0.0,448,252,True,True\n1,0.04,,,False,False\n"
    track = read_gaze(write(tmp_path, text))
    near(track, (0, 0.5, 0.5), (0.04, math.nan, math.nan))
    np.save(tmp_path / "gaze.npy", np.array([[0.1, 0.2, 1], [0.3, 0.4, 0]]))
    track = read_gaze(tmp_path / "gaze.npy")
    near(track, (0, 0.1, 0.2), (1 / 30, 0.3, 0.4))
    assert track.confidence.tolist() == [1, 0]


def test_streamgazes_fixations_become_a_resting_gaze(shared):
    folder = shared / "benchmarks" / "streamgaze" / "sample"
    track = read_gaze(next(folder.glob("*.csv")))
    inside = track.between(32.0, 34.0)
    assert len(inside) >= 49
    assert np.allclose(inside.points, [0.554538, 0.654539], atol=1e-5)
    assert np.isnan(track.between(34.07, 66.6).points).all()


@pytest.mark.parametrize(
    "text, first",
    [
        ("t,x,y\n1.5,0.25,0.75\n", (1.5, 0.25, 0.75)),
        ("1.5,0.25,0.75\n2,0.3,0.3\n", (1.5, 0.25, 0.75)),
        ("time [ms];x [px];y [px];confidence\n1500;160;360;0.5\n", (1.5, 0.25, 0.75)),
        ("timestamp\tgaze_x\tgaze_y\n1.5\t160\t360\n", (1.5, 0.25, 0.75)),
        ("# made by hand\nt [s],x [deg],y [deg]\n1.5,0,0\n", (1.5, 0.5, 0.5)),
    ],
)
def test_a_plain_table(tmp_path, text, first):
    near(read_gaze(write(tmp_path, text), frame_size=(640, 480), view=NEON), first)


def test_disorder_is_put_right_and_said(tmp_path):
    track = read_gaze(write(tmp_path, "t,x,y\n2,.1,.1\n1,.2,.2\n2,.3,.3\n,.4,.4\n"))
    near(track, (1, 0.2, 0.2), (2, 0.1, 0.1))
    assert len(track) == 2
    said = " ".join(track.remarks)
    assert "sorted" in said and "time of another" in said and "without a time" in said


@pytest.mark.parametrize(
    "text, complaint",
    [
        ("", "is empty"),
        ("t,x,y\n", "no rows"),
        ("t,x\n1,2\n", r"no column for the gaze's y; its columns are 't', 'x'"),
        ("t,x,y\n1,0.5,left\n", r"line 2: 'left' in column 'y' is not a number"),
        ("t,x,y\n1,,0.5\n2,nan,0.5\n", r"column 'x' is empty in all 2 rows"),
        ("t,x,y\n1,500,300\n", "frame_size"),
        ("t,x [cm],y [cm]\n1,5,3\n", "'cm'"),
        ("t [weeks],x,y\n1,0.5,0.3\n", "'weeks'"),
        ("t,x [deg],y [deg]\n1,0,0\n", "view"),
        ("t,x,y\n1,0.5,\n2,,0.5\n", "lost in all 2 rows"),
        (
            "fixation id,start timestamp [ns],end timestamp [ns],fixation x [px]\n1,2,3,4\n",
            "samples",
        ),
    ],
)
def test_what_is_wrong_is_named(tmp_path, text, complaint):
    path = write(tmp_path, text)
    with pytest.raises(GazeError, match=complaint) as caught:
        read_gaze(path)
    assert str(path) in str(caught.value)


def test_a_missing_file_a_folder_and_an_unknown_format(tmp_path):
    with pytest.raises(GazeError, match="cannot be read"):
        read_gaze(tmp_path / "none.csv")
    with pytest.raises(GazeError, match="folder"):
        read_gaze(tmp_path)
    with pytest.raises(GazeError, match="choose from"):
        read_gaze(write(tmp_path, "t,x,y\n1,.5,.5\n"), format="vhs")
