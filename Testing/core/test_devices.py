"""The precision that "auto" means on each device, the same on every run, and precisions that would be emulated."""

import pytest
import torch
from CLSTMSegmentLib.core import devices
from CLSTMSegmentLib.core.devices import choose_device, choose_precision, precision_name
from CLSTMSegmentLib.core.errors import InputError

CPU, GPU, APPLE = torch.device("cpu"), torch.device("cuda:0"), torch.device("mps")


@pytest.fixture
def cpu(monkeypatch, tmp_path):
    """Return a function that changes what the CPU of this computer can do, and who made it."""

    def change(vendor, *capabilities, windows=False):
        told = tmp_path / "cpuinfo"
        if windows:
            monkeypatch.setenv("PROCESSOR_IDENTIFIER", f"AMD64 Family 25 Model 97 Stepping 2, {vendor}")
        else:
            told.write_text(f"processor\t: 0\nvendor_id\t: {vendor}\n", encoding="utf-8")
        monkeypatch.setattr(devices, "CPU_INFO", told)
        monkeypatch.setattr(torch.cpu, "get_capabilities", lambda: dict.fromkeys(capabilities, True), raising=False)

    return change


@pytest.mark.parametrize(
    ("vendor", "capabilities", "precision"),
    [
        ("GenuineIntel", ["avx512_bf16", "amx_bf16"], "bfloat16"),
        ("GenuineIntel", ["avx512_bf16"], "float32"),
        ("GenuineIntel", [], "float32"),
        ("AuthenticAMD", ["avx512_bf16"], "bfloat16"),
        ("AuthenticAMD", [], "float32"),
    ],
)
@pytest.mark.parametrize("windows", [False, True])
def test_auto_is_bfloat16_on_cpus_that_are_faster_in_it(cpu, vendor, capabilities, precision, windows):
    cpu(vendor, *capabilities, windows=windows)

    assert precision_name(choose_precision("auto", CPU)) == precision


@pytest.mark.parametrize(
    ("capability", "precision"), [((9, 0), "bfloat16"), ((8, 0), "bfloat16"), ((7, 5), "float16"), ((6, 1), "float32")]
)
def test_auto_is_half_precision_on_gpus_with_tensor_cores_and_nothing_is_tf32(monkeypatch, capability, precision):
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: capability)
    monkeypatch.setattr(torch.backends.cudnn, "allow_tf32", True)

    assert precision_name(choose_precision("auto", GPU)) == precision
    assert not torch.backends.cudnn.allow_tf32


def test_precision_that_is_asked_for_is_used_where_it_is_computed(cpu, monkeypatch):
    cpu("GenuineIntel", "avx512_bf16")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (8, 6))

    assert choose_precision("bfloat16", CPU) == choose_precision("bfloat16", GPU) == torch.bfloat16
    assert choose_precision("float16", GPU) == choose_precision("float16", APPLE) == torch.float16
    assert choose_precision("float32", GPU) == choose_precision("auto", APPLE) == torch.float32


def test_precision_that_would_be_emulated_is_refused(cpu, monkeypatch):
    cpu("AuthenticAMD")
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda device: (7, 5))

    for precision, device in (("bfloat16", CPU), ("float16", CPU), ("bfloat16", GPU), ("bfloat16", APPLE)):
        with pytest.raises(InputError, match="use "):
            choose_precision(precision, device)


def test_device_that_computes_wrong_numbers_is_not_used(monkeypatch):
    conv3d = torch.nn.functional.conv3d
    results = iter([2.0, 1.0])
    monkeypatch.setattr(
        torch.nn.functional, "conv3d", lambda *args, **options: conv3d(*args, **options) * next(results)
    )

    with pytest.raises(InputError, match="its convolutions give wrong numbers"):
        choose_device("cpu")
