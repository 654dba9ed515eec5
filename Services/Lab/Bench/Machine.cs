using System.Globalization;
using System.Runtime.InteropServices;

namespace RagPlatform.Lab.Bench;

/// <summary>The machine that figures were measured on: a number without it says nothing.</summary>
internal static class Machine
{
    /// <summary>Processor, cores, memory, system and runtime, on one line.</summary>
    public static string Describe() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Processor()}, {Environment.ProcessorCount} cores, {GC.GetGCMemoryInfo().TotalAvailableMemoryBytes / 1e9:0.0} GB, ")
        + $"{RuntimeInformation.OSDescription}, {RuntimeInformation.FrameworkDescription}";

    private static string Processor()
    {
        const string ProcessorInfo = "/proc/cpuinfo";
        if (File.Exists(ProcessorInfo)
            && File.ReadLines(ProcessorInfo).FirstOrDefault(line => line.StartsWith("model name", StringComparison.Ordinal)) is { } line)
        {
            return line[(line.IndexOf(':', StringComparison.Ordinal) + 1)..].Trim();
        }

        return RuntimeInformation.ProcessArchitecture.ToString();
    }
}
