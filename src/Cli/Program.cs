// The command `engine`: composition root of backends, formats and decoding.
namespace Engine.Cli;

internal static class Program
{
    private static int Main() => 0;
}
