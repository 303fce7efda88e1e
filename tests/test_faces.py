"""Faces: finding, following, choosing, cropping."""

import pickle
import zipfile
from pathlib import Path

import matplotlib.cbook
import numpy as np
import pytest

from multimodal_emotion import faces
from multimodal_emotion.errors import InputError
from multimodal_emotion.faces import (
    CascadeFinder,
    Face,
    Finder,
    NetworkFinder,
    crop,
    crop_faces,
    follow,
    joined,
    main_face,
    overlap,
)
from multimodal_emotion.media import read_frames, read_image


@pytest.fixture(scope="module")
def portrait() -> np.ndarray:
    """A photograph of a face that matplotlib packages (Grace Hopper, public domain), 300 pixels wide."""
    with matplotlib.cbook.get_sample_data("grace_hopper.jpg") as file:
        path = Path(file.name)
    return read_image(path)[::2, ::2].copy()


class Told(Finder):
    """A finder that is told what it finds: the red in a picture is the number of the answer."""

    def __init__(self, *answers: list[tuple[float, float, float, float]]) -> None:
        self.answers = answers
        self.asked: list[int] = []

    def find(self, picture: np.ndarray) -> list[Face]:
        self.asked.append(int(picture[0, 0, 0]))
        return [Face(box) for box in self.answers[self.asked[-1]]]


def numbered(count: int, height: int = 60, width: int = 80) -> np.ndarray:
    pictures = np.zeros((count, height, width, 3), dtype=np.uint8)
    pictures[..., 0] = np.arange(count)[:, None, None]
    return pictures


# Finding


def test_a_face_is_found(portrait):
    (face,) = CascadeFinder().find(portrait)
    assert overlap(face.box, (78.0, 56.0, 108.0, 108.0)) > 0.8
    assert face.box[2] == face.box[3]
    assert face.score > 0


def test_a_face_that_fills_the_picture_is_found(portrait):
    assert len(CascadeFinder().find(portrait[56:164, 78:186])) == 1


@pytest.mark.parametrize("scale", [1, 4])
def test_the_size_of_the_picture_does_not_matter(portrait, scale):
    large = portrait.repeat(scale, axis=0).repeat(scale, axis=1)
    (face,) = CascadeFinder().find(large)
    assert overlap(tuple(side / scale for side in face.box), CascadeFinder().find(portrait)[0].box) > 0.8


@pytest.mark.parametrize("shape", [(1, 1), (3, 500), (64, 64)])
def test_pictures_without_a_face(shape):
    assert CascadeFinder().find(np.full((*shape, 3), 127, dtype=np.uint8)) == []
    noise = np.random.default_rng(0).integers(0, 256, (*shape, 3), dtype=np.uint8)
    assert CascadeFinder().find(noise) == []


def test_finders_travel_between_processes(portrait):
    finder = CascadeFinder(neighbours=3)
    finder.find(portrait)
    assert pickle.loads(pickle.dumps(finder)).find(portrait) == finder.find(portrait)


def test_a_network_finds_what_it_was_made_for(tmp_path):
    finder = NetworkFinder(bright_square_network(tmp_path / "model.onnx"))
    picture = np.zeros((128, 192, 3), dtype=np.uint8)
    picture[64:96, 96:128] = 255
    (face,) = pickle.loads(pickle.dumps(finder)).find(picture)
    # the network takes the middle of its grid for the middle of a face
    assert face.box == pytest.approx((80, 48, 32, 32))
    assert face.score == pytest.approx(1.0)
    assert finder.find(picture[:64]) == []
    finder = NetworkFinder(finder.model, side=192)
    (face,) = finder.find(picture.repeat(2, axis=0).repeat(2, axis=1))
    assert face.box == pytest.approx((160, 96, 64, 64))


def bright_square_network(path: Path) -> Path:
    """A network with the outputs of YuNet that sees a face of 32 pixels in every bright square of its coarsest grid."""
    onnx = pytest.importorskip("onnx", reason="onnx builds the test's network; it comes with the extra [embedded]")
    node, constant = onnx.helper.make_node, onnx.numpy_helper.from_array
    nodes = [node("Conv", ["input", "mean"], ["grey"], kernel_shape=[1, 1])]
    constants = [constant(np.full((1, 3, 1, 1), 1 / (3 * 255), dtype=np.float32), "mean")]
    outputs = []
    for stride in (8, 16, 32):
        nodes.append(node("AveragePool", ["grey"], [f"pool{stride}"], kernel_shape=[stride] * 2, strides=[stride] * 2))
        for name, width in (("cls", 1), ("obj", 1), ("bbox", 4), ("kps", 10)):
            key = f"{name}_{stride}"
            weight = float(stride == 32 and width == 1)
            constants.append(constant(np.full((width, 1, 1, 1), weight, dtype=np.float32), f"weight_{key}"))
            constants.append(constant(np.array([1, -1, width]), f"shape_{key}"))
            nodes.append(node("Conv", [f"pool{stride}", f"weight_{key}"], [f"map_{key}"], kernel_shape=[1, 1]))
            nodes.append(node("Transpose", [f"map_{key}"], [f"last_{key}"], perm=[0, 2, 3, 1]))
            nodes.append(node("Reshape", [f"last_{key}", f"shape_{key}"], [key]))
            outputs.append(onnx.helper.make_tensor_value_info(key, onnx.TensorProto.FLOAT, [1, None, width]))
    source = onnx.helper.make_tensor_value_info("input", onnx.TensorProto.FLOAT, [1, 3, "height", "width"])
    graph = onnx.helper.make_graph(nodes, "bright", [source], outputs, constants)
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 11)])
    model.ir_version = 6
    onnx.save(model, path)
    return path


def test_networks_that_are_none(tmp_path):
    with pytest.raises(InputError, match=r"face detection model none\.onnx: no such file; expected an ONNX file"):
        NetworkFinder("none.onnx")
    (tmp_path / "text.onnx").write_text("no network")
    with pytest.raises(InputError, match=r"text\.onnx: not an ONNX file of the YuNet kind"):
        NetworkFinder(tmp_path / "text.onnx").find(np.zeros((64, 64, 3), dtype=np.uint8))


# Following


def test_overlap():
    box = (0.0, 0.0, 10.0, 10.0)
    assert overlap(box, box) == 1
    assert overlap(box, (5.0, 0.0, 10.0, 10.0)) == pytest.approx(1 / 3)
    assert overlap(box, (10.0, 0.0, 10.0, 10.0)) == 0


def test_boxes_between_looks_are_interpolated():
    boxes = [[(float(2 * number), 0.0, 20.0, 20.0)] for number in range(7)]
    finder = Told(*boxes)
    (track,) = follow(numbered(7), finder, every=3)
    assert finder.asked == [0, 3, 6]
    assert track.looks == 3
    assert np.allclose(track.boxes[:, 0], 2 * np.arange(7))
    (track,) = follow(numbered(6), Told(*boxes), every=4)
    assert track.looks == 3  # 0, 4 and the last


def test_a_face_missed_for_a_while_is_followed_on():
    box, gone = [(10.0, 10.0, 20.0, 20.0)], []
    (track,) = follow(numbered(6), Told(box, gone, gone, gone, box, gone))
    assert np.isnan(track.boxes[:, 0]).tolist() == [False] * 5 + [True]
    assert len(follow(numbered(6), Told(box, gone, gone, gone, gone, box))) == 2


def test_faces_are_not_confused():
    left, right = (0.0, 0.0, 20.0, 20.0), (40.0, 0.0, 20.0, 20.0)
    tracks = follow(numbered(3), Told([left, right], [right, left], [left, right]))
    assert [track.boxes[:, 0].tolist() for track in tracks] == [[0.0] * 3, [40.0] * 3]


def test_two_faces_do_not_become_one():
    near, nearer = (0.0, 0.0, 20.0, 20.0), (2.0, 0.0, 20.0, 20.0)
    tracks = joined([[Face(near)], [Face(nearer), Face(near)]], [0, 1])
    assert sorted(track.looks for track in tracks) == [1, 2]
    assert tracks[0].boxes[1, 0] == 0.0


def test_the_main_face_takes_most_room():
    small, large = (0.0, 0.0, 10.0, 10.0), (40.0, 10.0, 30.0, 30.0)
    tracks = follow(numbered(3), Told([small], [small, large], [large]))
    assert main_face(tracks).boxes[1].tolist() == list(large)
    assert main_face([]) is None


def test_what_is_found_but_once_yields_to_what_stays():
    stays, flash = (0.0, 0.0, 10.0, 10.0), (20.0, 0.0, 50.0, 50.0)
    assert main_face(follow(numbered(3), Told([stays], [stays, flash], [stays]))).looks == 3
    assert main_face(follow(numbered(1), Told([flash]))).looks == 1


def test_looks_that_make_no_sense():
    with pytest.raises(InputError, match="faces are looked for in every 0 pictures; expected 1 or more"):
        follow(numbered(2), Told([], []), every=0)


# Cropping


def test_a_crop_is_square_around_the_box():
    picture = np.zeros((60, 80, 3), dtype=np.uint8)
    picture[20:40, 30:40] = 255
    square = crop(picture, np.array([30.0, 20.0, 10.0, 20.0]), 20)
    assert square.shape == (20, 20, 3)
    assert (square[:, 5:15] == 255).all()
    assert (square[:, [0, 4, 15, 19]] == 0).all()
    assert crop(picture, np.array([30.0, 20.0, 10.0, 20.0]), 40, margin=0.5)[:10].max() == 0


def test_beyond_the_picture_its_border_goes_on():
    picture = np.full((60, 80, 3), 100, dtype=np.uint8)
    picture[0, 0] = 200
    square = crop(picture, np.array([-10.0, -10.0, 20.0, 20.0]), 20)
    assert (square[:11, :11] == 200).all()
    assert (square[12:, 12:] == 100).all()


def test_only_pictures_with_the_face_are_kept():
    box = [(10.0, 10.0, 20.0, 20.0)]
    crops = crop_faces(numbered(4), Told([], box, box, []), size=32)
    assert crops.index.tolist() == [1, 2]
    assert crops.pixels.shape == (2, 32, 32, 3)
    assert crops.pixels[:, 0, 0, 0].tolist() == [1, 2]
    assert crops.found


def test_the_fallback_is_a_setting():
    pictures = numbered(2)
    whole = crop_faces(pictures, Told([], []), size=16, fallback="frame")
    assert not whole.found
    assert whole.index.tolist() == [0, 1]
    assert whole.boxes.tolist() == [[0, 0, 80, 60]] * 2
    assert whole.pixels.shape == (2, 16, 16, 3)
    assert crop_faces(pictures, Told([], []), fallback="absent") is None
    assert crop_faces(pictures[:0], Told()) is None
    with pytest.raises(InputError, match="unknown fallback 'frames' in faces; did you mean 'frame'"):
        crop_faces(pictures, Told([], []), fallback="frames")


def test_the_face_of_a_photograph_is_cropped(portrait):
    crops = crop_faces(portrait[np.newaxis], size=96)
    assert crops.found
    assert crops.pixels.shape == (1, 96, 96, 3)
    assert len(CascadeFinder().find(crops.pixels[0])) == 1


# Real files


@pytest.mark.corpora
@pytest.mark.parametrize("name", ["face_h264_aac.mp4", "face_10fps.avi", "face_gray.mp4"])
def test_a_real_face_is_followed_through_a_clip(corpora_root, name):
    pixels = read_frames(corpora_root / "media" / "video" / name, fps=10).pixels
    (track,) = follow(pixels, CascadeFinder(), every=2)
    assert not np.isnan(track.boxes).any()
    assert np.abs(np.diff(track.boxes, axis=0)).max() < 0.1 * pixels.shape[1]


@pytest.mark.corpora
def test_a_real_clip_without_a_face(corpora_root):
    pixels = read_frames(corpora_root / "media" / "video" / "noface.mp4", fps=4).pixels
    assert crop_faces(pixels, fallback="absent") is None
    assert not crop_faces(pixels, fallback="frame").found


@pytest.mark.corpora
def test_real_faces_of_a_corpus_are_found(corpora_root):
    folder = corpora_root / "ravdess_av_mini"
    for path in sorted((folder / "video_256p").glob("*.mp4")):
        crops = crop_faces(read_frames(path, count=3).pixels, fallback="absent")
        assert crops is not None, path.name
        assert len(crops.index) == 3, path.name


@pytest.mark.corpora
def test_ready_made_crops_of_faces_are_found_again(corpora_root, tmp_path):
    with zipfile.ZipFile(corpora_root / "ravdess_av_mini" / "faces20.zip") as archive:
        names = [name for name in archive.namelist() if name.endswith(".jpg")][::50]
        for name in names:
            faces_found = CascadeFinder().find(read_image(archive.extract(name, tmp_path)))
            assert len(faces_found) == 1, name


def test_boxes_of_a_followed_face_are_squares_inside_the_picture(monkeypatch):
    pictures = np.zeros((5, 100, 160, 3), dtype=np.uint8)
    monkeypatch.setattr(faces.CascadeFinder, "find", lambda self, picture: [faces.Face((70.0, 10.0, 40.0, 50.0), 1.0)])
    found = faces.boxes(pictures, margin=0.5)
    assert found == [(40.0, 0.0, 140.0, 100.0)] * 5
    monkeypatch.setattr(faces.CascadeFinder, "find", lambda self, picture: [])
    assert faces.boxes(pictures) == [None] * 5
