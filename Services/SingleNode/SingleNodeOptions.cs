namespace RagPlatform.SingleNode;

/// <summary>How to run the platform in one process.</summary>
public sealed record SingleNodeOptions
{
    /// <summary>The folder that everything is kept in.</summary>
    /// <value>Null, the default, is a temporary folder that is deleted at the end.</value>
    public string? DataFolder { get; init; }

    /// <summary>The address that the services listen on.</summary>
    /// <value>The default, <c>127.0.0.1</c>, is reachable from this machine only; <c>0.0.0.0</c> is every interface.</value>
    public string Listen { get; init; } = "127.0.0.1";

    /// <summary>The port of the search API.</summary>
    /// <value>1 to 65,535; 0, the default, is a free one.</value>
    public int ApiPort { get; init; }

    /// <summary>The port of the dashboard.</summary>
    /// <value>1 to 65,535; 0, the default, is a free one.</value>
    public int DashboardPort { get; init; }

    /// <summary>The port of the embedding service.</summary>
    /// <value>1 to 65,535; 0, the default, is a free one.</value>
    public int EmbeddingPort { get; init; }

    /// <summary>The port of the indexing worker.</summary>
    /// <value>1 to 65,535; 0, the default, is a free one.</value>
    public int WorkerPort { get; init; }

    /// <summary>The connection string (Npgsql's format) of a PostgreSQL database that exists.</summary>
    /// <value>Null, the default: a server is started below <see cref="DataFolder"/>.</value>
    public string? Postgres { get; init; }

    /// <summary>The connection string (StackExchange.Redis' format) of a Valkey server that exists.</summary>
    /// <value>Null, the default: a server is started below <see cref="DataFolder"/> if Valkey is installed.</value>
    public string? Valkey { get; init; }

    /// <summary>False leaves the cache server out, as where Valkey is not installed.</summary>
    /// <value>The default is true.</value>
    public bool UseValkey { get; init; } = true;

    /// <summary>The memory of the started Valkey, in megabytes.</summary>
    /// <value>1 to 65,536. The default is 256.</value>
    public int ValkeyMegabytes { get; init; } = 256;

    /// <summary>False trades safety after a crash of the machine for speed: tests.</summary>
    /// <value>The default is true.</value>
    public bool Durable { get; init; } = true;

    /// <summary>The least severe messages of the platform that are printed, on standard error.</summary>
    /// <value>The default is <see cref="LogLevel.Warning"/>.</value>
    public LogLevel LogLevel { get; init; } = LogLevel.Warning;

    /// <summary>Configuration for every service, over what files and the environment say; <c>Section:Key</c> to value.</summary>
    public IReadOnlyDictionary<string, string?> Settings { get; init; } = new Dictionary<string, string?>();

    /// <summary>Changes one service before it is built: the assembly's name (<c>RagPlatform.SearchApi</c>) and its builder.</summary>
    public Action<string, WebApplicationBuilder>? Configure { get; init; }

    /// <summary>How long the services may take until they are healthy.</summary>
    /// <value>The default is 2 minutes.</value>
    public TimeSpan StartTimeout { get; init; } = TimeSpan.FromMinutes(2);
}
