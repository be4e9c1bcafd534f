// The command `engine`: signals and standard streams come in here, everything else is in the commands.
using System.Runtime.InteropServices;

namespace Engine.Cli;

internal static class Program
{
    private static async Task<int> Main(string[] args)
    {
        var stop = new CancellationTokenSource();   // never disposed: work that was left may still look at it

        // The first signal asks for a clean stop; the second one is left to the system, should the stop take too long. The
        // callbacks run elsewhere, since one of them may go on with the work.
        void Stop(PosixSignalContext signal)
        {
            signal.Cancel = !stop.IsCancellationRequested;
            _ = stop.CancelAsync();
        }

        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, Stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, Stop);
        return await EngineCommand.RunAsync(args, Shell.OfThisProcess(), stop.Token);
    }
}
