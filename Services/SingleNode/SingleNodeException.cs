namespace RagPlatform.SingleNode;

/// <summary>How the process ends.</summary>
public enum SingleNodeExit
{
    /// <summary>It was asked to stop, and did.</summary>
    Stopped = 0,

    /// <summary>It failed for a reason that no other code names.</summary>
    Failed = 1,

    /// <summary>An option or a setting is wrong.</summary>
    WrongOption = 2,

    /// <summary>The data folder cannot be used: another instance uses it, another PostgreSQL wrote it, or a right is missing.</summary>
    DataFolder = 3,

    /// <summary>A port is occupied.</summary>
    PortOccupied = 4,

    /// <summary>PostgreSQL (15 or newer, with pgvector) is not installed.</summary>
    ServerMissing = 5,
}

/// <summary>The node cannot start. The message is one line that says what to do.</summary>
/// <param name="exit">How the process ends because of it.</param>
/// <param name="message">What is wrong and what to do.</param>
/// <param name="inner">What caused it.</param>
public sealed class SingleNodeException(SingleNodeExit exit, string message, Exception? inner = null) : Exception(message, inner)
{
    /// <summary>How the process ends because of it.</summary>
    public SingleNodeExit Exit { get; } = exit;
}
