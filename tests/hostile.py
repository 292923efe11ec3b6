"""What a stranger's file may hold to make its reader open, run or allocate something: added to a good result file."""

import pickle
import zlib
from collections.abc import Callable
from pathlib import Path

import h5py
import numpy as np

Add = Callable[[h5py.File, Path], object]
ELSEWHERE_H5, ELSEWHERE_TEXT = "other.h5", "secret.txt"


def make_elsewhere(folder: Path) -> None:
    """Make the files that the samples point to."""
    folder.mkdir()
    (folder / ELSEWHERE_TEXT).write_text("secret\n" * 100)
    with h5py.File(folder / ELSEWHERE_H5, "w") as file:
        file["x"] = np.arange(12.0)


def external_link(file: h5py.File, elsewhere: Path) -> None:
    file["energy_link"] = h5py.ExternalLink(str(elsewhere / ELSEWHERE_H5), "/x")


def external_link_for_a_result(file: h5py.File, elsewhere: Path) -> None:
    del file["energy"]
    file["energy"] = h5py.ExternalLink(str(elsewhere / ELSEWHERE_H5), "/x")


def soft_link(file: h5py.File, elsewhere: Path) -> None:
    file["again"] = h5py.SoftLink("/energy")


def soft_link_to_nothing(file: h5py.File, elsewhere: Path) -> None:
    file["again"] = h5py.SoftLink("/nowhere")


def link_in_group(file: h5py.File, elsewhere: Path) -> None:
    file["workers/again"] = h5py.SoftLink("/energy")


def external_storage(file: h5py.File, elsewhere: Path) -> None:
    file.create_dataset("leak", (10,), "|i1", external=[(str(elsewhere / ELSEWHERE_TEXT), 0, 10)])


def virtual_dataset(file: h5py.File, elsewhere: Path) -> None:
    file.create_virtual_dataset("virtual", _layout(elsewhere, "<f8"))


def virtual_dataset_that_grows(file: h5py.File, elsewhere: Path) -> None:
    """HDF5 looks into the other file when it is asked for the shape."""
    file.create_virtual_dataset("virtual", _growing_layout(elsewhere))


def scale_that_is_gone(file: h5py.File, elsewhere: Path) -> None:
    """A dimension refers to a virtual dataset that was removed."""
    scale = file.create_virtual_dataset("virtual", _growing_layout(elsewhere))
    scale.make_scale("r")
    file["energy"].dims[0].detach_scale(file["r"])
    file["energy"].dims[0].attach_scale(scale)
    file["status"].dims[0].detach_scale(file["r"])
    file["status"].dims[0].attach_scale(scale)
    del file["virtual"]


def _layout(elsewhere: Path, dtype: str) -> h5py.VirtualLayout:
    layout = h5py.VirtualLayout((12,), dtype)
    layout[:] = h5py.VirtualSource(str(elsewhere / ELSEWHERE_H5), "x", (12,))
    return layout


def _growing_layout(elsewhere: Path) -> h5py.VirtualLayout:
    layout = h5py.VirtualLayout((4,), "<f8", maxshape=(None,))
    source = h5py.VirtualSource(str(elsewhere / ELSEWHERE_H5), "x", (12,), maxshape=(None,))
    layout[: h5py.h5s.UNLIMITED] = source[: h5py.h5s.UNLIMITED]
    return layout


def plugin_filter(file: h5py.File, elsewhere: Path) -> None:
    """The data is what a filter made of it that HDF5 would have to load a library for."""
    _unknown_filter(file, "packed")


def plugin_filter_for_a_result(file: h5py.File, elsewhere: Path) -> None:
    del file["energy"]
    _unknown_filter(file, "energy")


def _unknown_filter(file: h5py.File, name: str) -> None:
    properties = h5py.h5p.create(h5py.h5p.DATASET_CREATE)
    properties.set_chunk((12,))
    properties.set_filter(32015, h5py.h5z.FLAG_OPTIONAL, ())
    space = h5py.h5s.create_simple((12,))
    made = h5py.h5d.create(file.id, name.encode(), h5py.h5t.IEEE_F64LE, space, properties)
    made.write_direct_chunk((0,), bytes(96))


def lzf_filter(file: h5py.File, elsewhere: Path) -> None:
    file.create_dataset("packed", data=np.arange(1000), compression="lzf")


def other_filter(file: h5py.File, elsewhere: Path) -> None:
    file.create_dataset("packed", data=np.arange(1000), scaleoffset=0)


def compound(file: h5py.File, elsewhere: Path) -> None:
    file["pairs"] = np.zeros(3, [("a", "<f8"), ("b", "<i4")])


def enumeration(file: h5py.File, elsewhere: Path) -> None:
    file["truths"] = np.array([True, False])


def references(file: h5py.File, elsewhere: Path) -> None:
    file["references"] = np.array([file.ref], h5py.ref_dtype)


def region_references(file: h5py.File, elsewhere: Path) -> None:
    file["regions"] = np.array([file["energy"].regionref[:1]], h5py.regionref_dtype)


def sequences(file: h5py.File, elsewhere: Path) -> None:
    file.create_dataset("sequences", (2,), h5py.vlen_dtype(np.int32))[0] = [1, 2, 3]


def arrays(file: h5py.File, elsewhere: Path) -> None:
    kind = h5py.h5t.array_create(h5py.h5t.IEEE_F64LE, (2,))
    h5py.h5d.create(file.id, b"arrays", kind, h5py.h5s.create_simple((3,)))


def pickled_object(file: h5py.File, elsewhere: Path) -> None:
    """What numpy would make objects of if it were let."""
    file["objects"] = np.void(pickle.dumps(Path("x")))


def pickled_attribute(file: h5py.File, elsewhere: Path) -> None:
    file.attrs["format_version"] = np.void(pickle.dumps(Path("x")))


def empty_dataspace(file: h5py.File, elsewhere: Path) -> None:
    file["nothing"] = h5py.Empty("<f8")


def named_type(file: h5py.File, elsewhere: Path) -> None:
    file["type"] = np.dtype("<f8")


def loop(file: h5py.File, elsewhere: Path) -> None:
    file["workers/loop"] = file["/"]


def deep_nesting(file: h5py.File, elsewhere: Path) -> None:
    file.create_group("/".join(["deep"] * 5000))


def names_that_multiply(file: h5py.File, elsewhere: Path) -> None:
    """200 links on each of five levels: 3e11 names."""
    below = file.create_group("level0")
    for level in range(1, 5):
        group = file.create_group(f"level{level}")
        for number in range(200):
            group[str(number)] = below
        below = group


def size_without_data(file: h5py.File, elsewhere: Path) -> None:
    file.create_dataset("huge", (1 << 50,), "<f8", chunks=(1 << 17,))


def plain_size_without_data(file: h5py.File, elsewhere: Path) -> None:
    file.create_dataset("huge", (1 << 50,), "<f8")


def texts_without_data(file: h5py.File, elsewhere: Path) -> None:
    file.create_dataset("huge", (1 << 50,), h5py.string_dtype())


def vast_chunk(file: h5py.File, elsewhere: Path) -> None:
    made = file.create_dataset("vast", (1 << 27,), "|i1", chunks=(1 << 27,), compression="gzip")
    made.id.write_direct_chunk((0,), zlib.compress(bytes(1 << 27)))


def vast_item(file: h5py.File, elsewhere: Path) -> None:
    """Items of 2 GiB, compressed to some kilobytes of the file each."""
    del file["energy"]
    chunk = (1, 1, 1 << 23)
    made = file.create_dataset("energy", (4, 3, 1 << 28), "<f8", chunks=chunk, compression="gzip")
    packed = zlib.compress(bytes(8 << 23))
    for row, column, part in np.ndindex(4, 3, 1 << 5):
        made.id.write_direct_chunk((row, column, part << 23), packed)


def compressed_rows(file: h5py.File, name: str, n_rows: int) -> None:
    """Replace a column of a table by one of so many rows, which the file holds compressed."""
    del file[name]
    made = file.create_dataset(name, (n_rows,), "<i8", chunks=(1 << 23,), compression="gzip")
    packed = zlib.compress(bytes(8 << 23))
    for start in range(0, n_rows, 1 << 23):
        made.id.write_direct_chunk((start,), packed)


def texts_in_chunks(file: h5py.File, elsewhere: Path) -> None:
    file.create_dataset("texts", data=["a"] * 5000, chunks=(5000,), compression="gzip")


def texts_that_share_their_bytes(file: h5py.File, elsewhere: Path) -> Callable[[], None]:
    """A hundred thousand references to one text of a million bytes: 100 GB. Return what to do once it is closed."""
    n_texts, path = 100_000, Path(file.filename)
    file["texts"] = np.array(["x" * 1_000_000] + ["y"] * (n_texts - 1), h5py.string_dtype())
    offset = file["texts"].id.get_offset()

    def repeat_the_first() -> None:
        content = bytearray(path.read_bytes())
        content[offset : offset + 16 * n_texts] = content[offset : offset + 16] * n_texts
        path.write_bytes(content)

    return repeat_the_first


HOSTILE: dict[str, tuple[Add, str]] = {
    add.__name__: (add, words)
    for add, words in [
        (external_link, "/energy_link: a link to another file"),
        (external_link_for_a_result, "/energy: a link to another file"),
        (soft_link, "/again: a symbolic link"),
        (soft_link_to_nothing, "/again: a symbolic link"),
        (link_in_group, "/workers/again: a symbolic link"),
        (external_storage, "/leak: data in another file"),
        (virtual_dataset, "/virtual: a virtual dataset"),
        (virtual_dataset_that_grows, "/virtual: a virtual dataset"),
        (scale_that_is_gone, "the dimensions of /status are damaged"),
        (plugin_filter, "/packed: filter number 32015"),
        (plugin_filter_for_a_result, "/energy: filter number 32015"),
        (lzf_filter, "/packed: filter number 32000"),
        (other_filter, "/packed: filter number 6"),
        (compound, "/pairs: data of type"),
        (enumeration, "/truths: data of type bool"),
        (references, "/references: data of type"),
        (region_references, "/regions: data of type"),
        (sequences, "/sequences: data of type"),
        (arrays, "/arrays: data of type"),
        (pickled_object, "/objects: data of type"),
        (pickled_attribute, "format_version"),
        (empty_dataspace, "/nothing: data of type"),
        (named_type, "/type: an object too deep, of an unknown kind or with a second name"),
        (loop, "an object too deep"),
        (deep_nesting, "an object too deep"),
        (names_that_multiply, "or with a second name"),
        (size_without_data, "/huge: a size"),
        (plain_size_without_data, "/huge: a size"),
        (texts_without_data, "/huge: a size"),
        (vast_chunk, "/vast: chunks of"),
        (vast_item, "an item of"),
        (texts_in_chunks, "/texts: texts in chunks"),
    ]
}
"""Name → what to add to a good file, and words of the sentence that refuses it."""
