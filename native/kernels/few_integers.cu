// Products of a few rows with weights of integers: a file of their own, because the driver compiles a file when one of its kernels is used.
#include "few.cuh"

FEW_OF(i8, signed char)
FEW_OF(i16, short)
