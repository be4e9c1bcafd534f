// A loaded module: its kernels decoded, its variables in the memory of a device.
using PtxMachine.Decoding;
using PtxMachine.Execution;
using PtxMachine.Memory;
using PtxMachine.Parsing;

namespace PtxMachine;

/// <summary>What a driver makes of a PTX text.</summary>
internal sealed unsafe class PtxProgram : IDisposable
{
    private readonly List<Allocation> _variables = [];
    private readonly DeviceMemory _memory;

    private PtxProgram(DeviceMemory memory) => _memory = memory;

    public Dictionary<string, Kernel> Kernels { get; } = [];

    public Module Module { get; private set; } = new();

    /// <exception cref="PtxException">The text is wrong, too new, or for another device.</exception>
    public static PtxProgram Load(string text, DeviceMemory memory, int maxVersion = 85, int capability = 80)
    {
        var program = new PtxProgram(memory);
        try
        {
            Module module = Parser.Parse(text);
            if (module.Version > maxVersion)
                throw new PtxException(1, $".version {module.Version / 10}.{module.Version % 10} is newer than {maxVersion / 10}.{maxVersion % 10}, the newest that this driver knows.") { IsVersion = true };
            if (module.Target > capability || (module.TargetIsExact && module.Target != capability))
                throw new PtxException(1, $".target sm_{module.Target}{(module.TargetIsExact ? "a" : "")} is not for this device, which is sm_{capability}.") { IsTarget = true };
            program.Module = module;
            foreach (Variable variable in module.Variables) program.Place(variable);
            foreach (Function function in module.Functions) program.Kernels.Add(function.Name, Decoder.Decode(module, function));
            return program;
        }
        catch
        {
            program.Dispose();
            throw;
        }
    }

    public void Dispose()
    {
        foreach (Allocation allocation in _variables) _memory.Free(allocation);
        foreach (Kernel kernel in Kernels.Values) kernel.Dispose();
        _variables.Clear();
    }

    // Global variables without a value begin as zeros.
    private void Place(Variable variable)
    {
        if (variable.Space is not (Space.Global or Space.Const)) return;
        Allocation allocation = _memory.Allocate((ulong)Math.Max(variable.Bytes, 1), $"variable {variable.Name}");
        _variables.Add(allocation);
        variable.Address = allocation.Start;
        new Span<byte>(allocation.Host, variable.Bytes).Clear();
        variable.Initial?.CopyTo(new Span<byte>(allocation.Host, variable.Bytes));
        allocation.MarkWritten(0, (ulong)variable.Bytes);
    }
}
