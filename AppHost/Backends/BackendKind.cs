namespace RagPlatform.AppHost.Backends;

/// <summary>Where PostgreSQL and Valkey come from.</summary>
internal enum BackendKind
{
    /// <summary>Containers of Docker or Podman. What is published always has these.</summary>
    Containers,

    /// <summary>The servers that are installed on this machine, as processes over the data folder.</summary>
    Local,

    /// <summary>Servers that exist, by their connection strings.</summary>
    External,
}
