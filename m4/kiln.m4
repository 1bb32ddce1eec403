# SPDX-License-Identifier: MIT

# KILN_CFLAGS(VARIABLE, FLAGS): appends those flags that the compiler takes without a word.
AC_DEFUN([KILN_CFLAGS], [
for kiln_flag in $2; do
    kiln_saved=$CFLAGS
    CFLAGS="-Werror $kiln_flag"
    AC_MSG_CHECKING([whether $CC takes $kiln_flag])
    AC_COMPILE_IFELSE([AC_LANG_PROGRAM()],
        [AC_MSG_RESULT([yes]); $1="$$1 $kiln_flag"], [AC_MSG_RESULT([no])])
    CFLAGS=$kiln_saved
done
])

# KILN_PACKAGE(PREFIX, MODULE, DEBIAN-PACKAGE): PREFIX_CFLAGS and PREFIX_LIBS by pkg-config. What is
# not there is collected in kiln_missing, so that one message can name it all.
AC_DEFUN([KILN_PACKAGE], [
PKG_CHECK_MODULES([$1], [$2], [], [kiln_missing="$kiln_missing $3"])
])

# KILN_ISA(NAME, FLAGS, INCLUDE, STATEMENT): defines the automake conditional NAME, NAME_CFLAGS, and
# has_NAME (1 or 0), by whether this compiler can make code for the instruction set. Whether the
# processor has it is found out at run time.
AC_DEFUN([KILN_ISA], [
AC_MSG_CHECKING([whether $CC can make $1 code])
kiln_saved=$CFLAGS
CFLAGS="$2"
AC_COMPILE_IFELSE([AC_LANG_PROGRAM([[$3]], [[$4]])], [has_$1=1], [has_$1=0])
CFLAGS=$kiln_saved
AS_IF([test $has_$1 = 1], [AC_MSG_RESULT([yes])], [AC_MSG_RESULT([no])])
AC_SUBST([$1_CFLAGS], ["$2"])
AC_SUBST([has_$1])
AM_CONDITIONAL([$1], [test $has_$1 = 1])
])

# KILN_CUDA: --with-cuda=auto|no|DIR. Sets cuda_dir, empty for none, NVCC and CUDA_ARCHS. By default code
# is made for one generation, with PTX, which the driver makes into code for any later one:
# compiling for all takes minutes. --with-cuda-archs=all is for what is given to others.
AC_DEFUN([KILN_CUDA], [
AC_ARG_WITH([cuda],
    [AS_HELP_STRING([--with-cuda=auto|no|DIR], [the CUDA toolkit: search, do without, or its folder @<:@auto@:>@])],
    [], [with_cuda=auto])
cuda_dir=
AS_CASE([$with_cuda],
    [no], [],
    [auto|yes], [
        AC_PATH_PROG([NVCC], [nvcc], [], [$PATH$PATH_SEPARATOR/usr/local/cuda/bin])
        AS_IF([test -n "$NVCC"], [cuda_dir=`dirname "\`dirname "$NVCC"\`"`])
        AS_IF([test "$with_cuda$cuda_dir" = yes],
            [AC_MSG_ERROR([--with-cuda=yes: there is no nvcc in PATH or /usr/local/cuda/bin; give the folder of the toolkit, --with-cuda=DIR])])],
    [
        NVCC=$with_cuda/bin/nvcc
        AS_IF([test -x "$NVCC"], [cuda_dir=$with_cuda],
            [AC_MSG_ERROR([--with-cuda=$with_cuda: there is no $NVCC])])])
AC_ARG_WITH([cuda-archs],
    [AS_HELP_STRING([--with-cuda-archs=all|"75 90"], [the generations of GPUs to make code for @<:@80, and PTX for later ones@:>@])],
    [], [with_cuda_archs=80])
AS_CASE([$with_cuda_archs], [all], [cuda_archs="75 80 86 89 90 100"], [cuda_archs=$with_cuda_archs])
CUDA_ARCHS=
for kiln_arch in $cuda_archs; do
    CUDA_ARCHS="$CUDA_ARCHS -gencode arch=compute_$kiln_arch,code=sm_$kiln_arch"
    kiln_last=$kiln_arch
done
CUDA_ARCHS="$CUDA_ARCHS -gencode arch=compute_$kiln_last,code=compute_$kiln_last"
AC_SUBST([CUDA_ARCHS])
AC_SUBST([NVCC])
AC_SUBST([cuda_dir])
AM_CONDITIONAL([CUDA], [test -n "$cuda_dir"])
])
