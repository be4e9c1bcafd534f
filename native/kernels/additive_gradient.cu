// The gradients of additive attention: see attention_gradient.cuh. A file of its own, because its tanh makes it long and few models have it.
#include "attention_gradient.cuh"

GRADIENT(additive_1, true, 1)
GRADIENT(additive_2, true, 2)
