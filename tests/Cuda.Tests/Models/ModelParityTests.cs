// The CPU's model cases on CUDA: layers against PyTorch, the Khmer model, and all that CTranslate2 answered; each with cuBLAS's
// products and with our own. Batches are large, so that a step has few launches.
using Engine.Backends;
using Engine.ModelCases;

namespace Cuda.Tests.Models;

public sealed class CudaLayerTests : LayerParity
{
    protected override IBackend Open() => Device.Open(usesOwnProducts: false);
}

public sealed class CudaOwnProductsLayerTests : LayerParity
{
    protected override IBackend Open() => Device.Open(usesOwnProducts: true);
}

public sealed class CudaMixingTests : MixingParity
{
    protected override ITrainingBackend Open() => Device.Open(usesOwnProducts: false);
}

public sealed class CudaOwnProductsMixingTests : MixingParity
{
    protected override ITrainingBackend Open() => Device.Open(usesOwnProducts: true);
}

public sealed class CudaKhmerTests : KhmerParity
{
    protected override int BatchSize => 200;

    protected override IBackend Open() => Device.Open(usesOwnProducts: false);
}

public sealed class CudaOwnProductsKhmerTests : KhmerParity
{
    protected override int BatchSize => 200;

    protected override IBackend Open() => Device.Open(usesOwnProducts: true);
}

public sealed class CudaTransliterationTests : TransliterationParity
{
    protected override int BatchSize => 400;

    protected override bool RoundsToFloat16 => true;

    protected override IBackend Open() => Device.Open(usesOwnProducts: false);

    private protected override IReadOnlyList<Case> Asked(IReadOnlyList<Case> cases) => ModelCaseFiles.Asked(cases);
}
