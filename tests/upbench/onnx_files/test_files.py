"""A rewritten file is the file that it was, but for its upsamplers: names, weights, metadata, and where they lie."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn

from tests.upbench.onnx_files.random_graphs import Model
from tests.upbench.onnx_files.rewriting import apart, operators, rewritten, run, some
from tests.upsample.random_networks import preferring
from upbench.errors import UsageError
from upbench.onnx_files.file_rewriter import FileSettings, rewrite_file


def nearest_and_conv(sides: tuple[Any, Any] = ("h", "w"), opset: int = 17) -> Model:
    made = Model(opset, 4, sides, batch=1)
    made.conv(upsampled(made, "x"), 4, 3)
    return made


def upsampled(made: Model, value: str) -> str:
    return made.resize(value, (2, 2), mode="nearest", coordinate_transformation_mode="asymmetric", nearest_mode="floor")


def last(made: Model) -> str:
    return str(made.nodes[-1].output[0])


def test_a_site_is_replaced_and_what_only_it_has_read_is_gone(tmp_path: Path) -> None:
    made = nearest_and_conv()
    made.constant(np.ones(3))
    model = made.proto(last(made))
    result, output = rewritten(model, tmp_path)
    assert [site.after for site in result.sites] == ["shuffled"]
    assert set(operators(output)) == {"Conv", "Slice", "DepthToSpace"}
    names = {each.name for each in onnx.load(output).graph.initializer}
    # The last was read by nobody before, which is not for us to tidy.
    assert {name for name in names if not name.startswith("exact_1/")} == {"c4"}
    x = some(1, 4, 5, 6)
    assert apart(run(model, x=x), run(output, x=x)) < 1e-5


def test_values_that_meet_again_and_again_are_looked_through_once(tmp_path: Path) -> None:
    # What its input may share its memory with: through so many sums of two ways there are 2⁶⁰ ways back.
    made = Model(17, 4, ("h", "w"), batch=1)
    value = "x"
    for _ in range(60):
        value = made.op("Einsum", value, made.op("LpNormalization", value), equation="nchw,nchw->nchw")
    made.conv(upsampled(made, value), 4, 3)
    result, _ = rewritten(made.proto(last(made)), tmp_path)
    assert [site.after for site in result.sites] == ["shuffled"]


@pytest.mark.parametrize("sides", [(5, 6), ("h", "w")], ids=["fixed", "free"])
@pytest.mark.parametrize("kind", ["transposed", "nearest"])
def test_a_site_may_be_given_what_another_makes(kind: str, sides: tuple[Any, Any], tmp_path: Path) -> None:
    made, value = Model(17, 4, sides, batch=1), "x"
    for _ in range(3):
        if kind == "transposed":
            value = made.op("ConvTranspose", value, made.weight(4, 4, 2, 2), made.weight(4), strides=[2, 2])
        else:
            value = made.conv(upsampled(made, value), 4, 4)
    model = made.proto(value)
    result, output = rewritten(model, tmp_path)
    assert [site.after for site in result.sites] == ["shuffled"] * 3
    assert result.written, result.conclusion
    x = some(1, 4, 5, 6)
    assert apart(run(model, x=x), run(output, x=x)) < 1e-5


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_a_model_that_draws_random_numbers_is_said_to(runtime: str, tmp_path: Path) -> None:
    made = Model(17, 4, (5, 6), batch=1)
    noisy = made.op("Add", "x", made.op("RandomNormalLike", "x"))
    model = made.proto(made.conv(upsampled(made, noisy), 4, 3))
    result, _ = rewritten(model, tmp_path, runtimes=(runtime,))
    assert not result.written
    assert "It draws random numbers" in str(result.conclusion.values["error"])


def test_what_a_file_says_of_itself_stays(tmp_path: Path) -> None:
    made = nearest_and_conv()
    model = made.proto(last(made))
    model.doc_string, model.graph.doc_string, model.domain, model.model_version = "a net", "a graph", "some.where", 7
    model.graph.output[0].doc_string = "an image"
    helper.set_model_props(model, {"author": "somebody"})
    model.opset_import.append(helper.make_opsetid("com.example", 3))
    _, output = rewritten(model, tmp_path)
    after = onnx.load(output)
    for field in ("doc_string", "domain", "model_version", "ir_version", "producer_name"):
        assert getattr(after, field) == getattr(model, field)
    assert [*map(str, after.opset_import)] == [*map(str, model.opset_import)]
    assert [*map(str, after.metadata_props)] == [*map(str, model.metadata_props)]
    assert [*map(str, after.graph.input)] == [*map(str, model.graph.input)]
    assert [*map(str, after.graph.output)] == [*map(str, model.graph.output)]
    assert (after.graph.name, after.graph.doc_string) == ("net", "a graph")


def test_small_inputs_go_through_the_operators_as_they_were(tmp_path: Path) -> None:
    made = Model(17, 4, ("h", "w"))
    grown = made.resize("x", (2, 2), mode="linear", coordinate_transformation_mode="half_pixel")
    model = made.proto(made.conv(grown, 4, 3))
    _, output = rewritten(model, tmp_path)
    assert operators(output).count("If") == 1
    for sides in ((1, 1), (3, 9), (4, 4), (8, 2), (9, 7)):
        x = some(1, 4, *sides)
        assert apart(run(model, x=x), run(output, x=x)) < 1e-5
    fixed = Model(17, 4, (9, 7))
    grown = fixed.resize("x", (2, 2), mode="linear", coordinate_transformation_mode="half_pixel")
    _, output = rewritten(fixed.proto(fixed.conv(grown, 4, 3)), tmp_path)
    assert "If" not in operators(output)


def test_weights_beside_a_file_stay_beside_it(tmp_path: Path) -> None:
    made = nearest_and_conv((8, 8))
    model = made.proto(made.conv(last(made), 3, 64))
    source = tmp_path / "in" / "model.onnx"
    source.parent.mkdir()
    onnx.save(model, source, save_as_external_data=True, location="weights.bin", size_threshold=100)
    before = {path.name: path.read_bytes() for path in source.parent.iterdir()}
    out = tmp_path / "out"
    out.mkdir()
    _, output = rewritten(source, out)
    assert sorted(path.name for path in out.iterdir()) == ["faster.onnx", "faster.onnx.data"]
    assert {path.name: path.read_bytes() for path in source.parent.iterdir()} == before
    x = some(1, 4, 8, 8)
    assert apart(run(source, x=x), run(output, x=x)) < 1e-5
    # Once more, over what is there.
    with preferring("shuffled"):
        assert rewrite_file(source, output, FileSettings(least_gain=-1)).written
    assert apart(run(source, x=x), run(output, x=x)) < 1e-5


def test_the_file_that_is_read_is_overwritten_only_if_told(tmp_path: Path) -> None:
    made = nearest_and_conv((8, 8))
    source = tmp_path / "model.onnx"
    onnx.save(
        made.proto(last(made)), source, save_as_external_data=True, location="model.onnx.data", size_threshold=100
    )
    x = some(1, 4, 8, 8)
    expected = run(source, x=x)
    with preferring("shuffled"):
        with pytest.raises(UsageError, match="--force"):
            rewrite_file(source, source, FileSettings())
        with pytest.raises(UsageError, match="holds weights"):
            rewrite_file(source, tmp_path / "model.onnx.data", FileSettings(), overwrite=True)
        assert rewrite_file(source, source, FileSettings(), overwrite=True).written
    assert apart(expected, run(source, x=x)) < 1e-5
    assert "Resize" not in operators(source)


def test_what_is_not_faster_is_not_written_and_leaves_nothing_behind(tmp_path: Path) -> None:
    made = nearest_and_conv((8, 8))
    source, output = tmp_path / "model.onnx", tmp_path / "new" / "faster.onnx"
    onnx.save(made.proto(last(made)), source)
    with preferring("usual"):
        result = rewrite_file(source, output, FileSettings())
    assert (result.written, str(result.conclusion)) == (False, "No site of it is certainly faster in another form.")
    assert [path.name for path in tmp_path.iterdir()] == ["model.onnx"]


def test_a_model_without_upsampling_is_left_alone(tmp_path: Path) -> None:
    made = Model(17, 4, (8, 8))
    result, _ = rewritten(made.proto(made.op("Relu", made.conv("x", 4, 3))), tmp_path)
    assert (result.written, result.sites, str(result.conclusion)) == (False, (), "Nothing is upsampled.")


@pytest.mark.parametrize("read_again", ["output", "operator", "branch"])
def test_what_somebody_else_reads_stays(read_again: str, tmp_path: Path) -> None:
    made = Model(17, 4, (8, 8))
    grown = upsampled(made, "x")
    outputs = [made.conv(grown, 4, 3)]
    if read_again == "output":
        outputs.append(grown)
    elif read_again == "operator":
        outputs.append(made.op("Abs", grown))
    else:
        branch = helper.make_graph(
            [helper.make_node("Neg", [grown], ["negative"])],
            "branch",
            [],
            [helper.make_tensor_value_info("negative", TensorProto.FLOAT, [None] * 4)],
        )
        condition = made.constant(True, np.bool_)
        outputs.append(made.op("If", condition, then_branch=branch, else_branch=branch))
    model = made.proto(*outputs)
    result, output = rewritten(model, tmp_path)
    x = some(1, 4, 8, 8)
    assert not any(site.after == "shuffled" for site in result.sites) or result.written
    if result.written:
        assert apart(run(model, x=x), run(output, x=x)) < 1e-5
    assert all("Conv2d" not in site.before for site in result.sites)


def test_upsamplers_within_branches_are_left_alone_with_a_note(tmp_path: Path) -> None:
    made = Model(17, 4, (8, 8))
    inner = Model(17, 4, (8, 8))
    grown = upsampled(inner, "x")
    info = helper.make_tensor_value_info(grown, TensorProto.FLOAT, [None] * 4)
    branch = helper.make_graph(inner.nodes, "branch", [], [info], inner.initializers)
    outer = made.op("If", made.constant(True, np.bool_), then_branch=branch, else_branch=branch)
    result, _ = rewritten(made.proto(outer), tmp_path)
    assert not result.written
    assert any("Left alone within branches" in str(note) for note in result.notes)


def test_weights_that_whoever_runs_it_may_give_are_left_alone(tmp_path: Path) -> None:
    made = nearest_and_conv((8, 8))
    model = made.proto(last(made))
    weight = model.graph.node[1].input[1]
    model.graph.input.append(helper.make_tensor_value_info(weight, TensorProto.FLOAT, [3, 4, 3, 3]))
    result, _ = rewritten(model, tmp_path)
    assert not result.written
    assert "computed" in result.sites[0].reason


def test_channels_that_come_last_are_left_alone_or_right(tmp_path: Path) -> None:
    made = Model(13, 4, (8, 8))
    last_ = made.op("Transpose", "x", perm=[0, 2, 3, 1])
    empty, scales = made.constant([]), made.constant([1, 2, 2, 1])
    grown = made.op("Resize", last_, empty, scales, mode="nearest", nearest_mode="floor")
    first = made.op("Transpose", grown, perm=[0, 3, 1, 2])
    # As converters have it around a shuffle: between transpositions, which are no layers.
    again = made.op("Transpose", made.op("Transpose", made.conv(first, 4, 8), perm=[0, 2, 3, 1]), perm=[0, 3, 1, 2])
    model = made.proto(made.conv(made.op("DepthToSpace", again, blocksize=2, mode="DCR"), 2, 3))
    result, output = rewritten(model, tmp_path)
    assert any("channels come last" in site.reason for site in result.sites)
    x = some(1, 4, 8, 8)
    assert result.written
    assert apart(run(model, x=x), run(output, x=x)) < 1e-5


class Net(nn.Module):
    """A small decoder: shuffle, skip connection, interpolation, convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.shuffled = nn.Sequential(nn.Conv2d(8, 16, 3, padding=1), nn.PixelShuffle(2), nn.PReLU(4))
        self.last = nn.Conv2d(4 + 8, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.first(x))
        grown = nn.functional.interpolate(x, scale_factor=2, mode="nearest")
        return self.last(torch.cat([self.shuffled(x), grown], 1))  # type: ignore[no-any-return]


@pytest.mark.parametrize("dynamo", [False, True])
@pytest.mark.parametrize("dynamic", [False, True])
def test_a_network_that_torch_has_exported_is_rewritten(dynamo: bool, dynamic: bool, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net, file = Net().eval(), tmp_path / "net.onnx"
    kinds: dict[str, Any] = {}
    if dynamic:
        sides = {2: torch.export.Dim.DYNAMIC, 3: torch.export.Dim.DYNAMIC}
        kinds = {"dynamic_shapes": (sides,)} if dynamo else {"dynamic_axes": {"x": {2: "h", 3: "w"}}}
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            torch.onnx.export(
                net, (torch.rand(1, 3, 9, 8),), str(file), dynamo=dynamo, input_names=["x"], verbose=False, **kinds
            )
    finally:
        logging.disable(logging.NOTSET)
    result, output = rewritten(file, tmp_path, "shuffled", {"x": some(1, 3, 9, 8)})
    assert result.written
    assert result.sites[0].after
    for sides_ in ((9, 8), (4, 5)) if dynamic else ((9, 8),):
        x = some(1, 3, *sides_)
        with torch.no_grad():
            expected = net(torch.from_numpy(x)).numpy()
        assert apart([expected], run(output, x=x)) < 1e-5


@pytest.mark.parametrize("runtime", ["onnx", "openvino"])
def test_sites_are_measured_in_the_runtimes_that_a_file_is_for(runtime: str, tmp_path: Path) -> None:
    made = nearest_and_conv()
    source, output = tmp_path / "model.onnx", tmp_path / "faster.onnx"
    onnx.save(made.proto(last(made)), source)
    with preferring("shuffled"):
        result = rewrite_file(source, output, FileSettings((runtime,)))
    assert result.written
    assert [verdict.runtime for verdict in result.verdicts] == [runtime]
    assert result.verdicts[0].inputs > 3


def test_weights_in_nodes_are_weights_too(tmp_path: Path) -> None:
    made = nearest_and_conv((8, 8))
    held = {each.name: each for each in made.initializers}
    made.initializers = []
    constants = [helper.make_node("Constant", [], [name], value=each) for name, each in held.items()]
    made.nodes = [*constants, *made.nodes]
    model = made.proto(last(made))
    _, output = rewritten(model, tmp_path)
    assert set(operators(output)) == {"Conv", "Slice", "DepthToSpace"}
    x = some(1, 4, 8, 8)
    assert apart(run(model, x=x), run(output, x=x)) < 1e-5
    assert numpy_helper.to_array(onnx.load(output).graph.initializer[0]).size
