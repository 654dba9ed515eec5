namespace RagPlatform.LocalServers;

/// <summary>Why a server of this machine cannot be used.</summary>
internal enum LocalServerFault
{
    /// <summary>A reason that no other value names.</summary>
    Failed = 1,

    /// <summary>The data folder cannot be used: another instance uses it, another PostgreSQL wrote it, or a right is missing.</summary>
    DataFolder,

    /// <summary>The server is not installed.</summary>
    ServerMissing,
}

/// <summary>A server of this machine cannot be started. The message is one line that says what to do.</summary>
/// <param name="fault">Why.</param>
/// <param name="message">What is wrong and what to do.</param>
/// <param name="inner">What caused it.</param>
internal sealed class LocalServerException(LocalServerFault fault, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>Why.</summary>
    public LocalServerFault Fault { get; } = fault;
}
