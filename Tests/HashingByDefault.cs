using System.Runtime.CompilerServices;

namespace RagPlatform.Tests;

/// <summary>
/// Tests that are not about a model get the built-in <c>hashing</c>, in this process and in those that it starts: it needs no memory, and takes
/// microseconds where a transformer takes milliseconds on both cores.
/// </summary>
internal static class HashingByDefault
{
    [ModuleInitializer]
    internal static void Set() => Environment.SetEnvironmentVariable("EMBEDDINGS_PROVIDER", "hashing");
}
