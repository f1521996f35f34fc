"""What conda packages are called on PyPI, and which of them are not to be had there."""

from __future__ import annotations

from typing import Final

_RENAMED: Final = {
    "brotli-python": "brotli",
    "dask-core": "dask",
    "faiss": "faiss-cpu",
    "geopandas-base": "geopandas",
    "keras-base": "keras",
    "matplotlib-base": "matplotlib",
    "msgpack-python": "msgpack",
    "opencv": "opencv-python-headless",
    "psycopg2": "psycopg2-binary",
    "py-lief": "lief",
    "py-opencv": "opencv-python-headless",
    "py-xgboost": "xgboost",
    "py-xgboost-cpu": "xgboost",
    "py-xgboost-gpu": "xgboost",
    "pyqt": "pyqt5",
    "pytables": "tables",
    "python-flatbuffers": "flatbuffers",
    "python-graphviz": "graphviz",
    "python-kaleido": "kaleido",
    "python-lmdb": "lmdb",
    "python-xxhash": "xxhash",
    "pytorch": "torch",
    "pytorch-cpu": "torch",
    "pytorch-gpu": "torch",
    "ruamel_yaml": "ruamel.yaml",
    "seaborn-base": "seaborn",
    "tensorflow-base": "tensorflow",
    "tensorflow-cpu": "tensorflow",
    "tensorflow-gpu": "tensorflow",
    "tensorflow-mkl": "tensorflow",
    "torchtriton": "triton",
    "transformers-base": "transformers",
}

_NOT_ON_PYPI: Final = frozenset(
    {
        # compilers and their tools
        "autoconf", "automake", "binutils", "c-compiler", "clang", "clangxx", "compilers",
        "cxx-compiler", "fortran-compiler", "gcc", "gfortran", "gxx", "llvm-openmp",
        "llvm-tools", "make", "pkg-config", "sysroot_linux-64", "toolchain",
        # CUDA, MKL and other numerical libraries
        "blas", "blas-devel", "cuda", "cuda-nvcc", "cuda-runtime", "cuda-toolkit",
        "cudatoolkit", "cudatoolkit-dev", "cudnn", "intel-openmp", "magma", "mkl",
        "mkl-service", "nccl", "nomkl", "openblas", "pytorch-cuda", "pytorch-mutex", "tbb",
        # languages and programs
        "bash", "curl", "ffmpeg", "git", "git-lfs", "go", "graphviz", "java-jdk", "jq",
        "mamba", "maven", "micromamba", "nodejs", "openjdk", "openssh", "pandoc", "perl",
        "r-base", "r-essentials", "rust", "tmux", "unzip", "wget", "zip",
        # message passing
        "mpi", "mpich", "openmpi", "ucx",
        # what `conda env export` lists of the system below Python
        "arrow-cpp", "bzip2", "c-ares", "ca-certificates", "cairo", "conda", "conda-build",
        "expat", "fontconfig", "freetype", "gdal", "geos", "giflib", "glib", "gmp",
        "harfbuzz", "hdf5", "icu", "jpeg", "krb5", "lame", "lcms2", "lerc", "ncurses",
        "nettle", "openh264", "openjpeg", "openssl", "pcre", "pixman", "proj", "python_abi",
        "qt", "readline", "snappy", "sqlite", "tk", "tzdata", "unixodbc", "xz", "yaml",
        "zeromq", "zlib", "zstd",
    }
)  # fmt: skip

_NOT_ON_PYPI_PREFIXES: Final = (
    "_",  # _libgcc_mutex, _openmp_mutex
    "binutils_", "cuda-", "gcc_", "gfortran_", "gxx_", "ld_impl_", "lib", "r-", "sysroot_", "xorg-",
)  # fmt: skip

_LIBRARIES_ON_PYPI: Final = frozenset({"libcst", "librosa", "libsvm", "libsass", "liblinear"})


def pip_name(conda_name: str) -> str | None:
    """Give the name of a conda package on PyPI, or None when it has none there.

    Args:
        conda_name: the package's name in the conda channels, in lower case. One that is in no
            table is taken to have the same name, as nearly all Python packages do.
    """
    if conda_name in _RENAMED:
        return _RENAMED[conda_name]
    if conda_name in _LIBRARIES_ON_PYPI:
        return conda_name
    if conda_name in _NOT_ON_PYPI or conda_name.startswith(_NOT_ON_PYPI_PREFIXES):
        return None
    return conda_name
