namespace RagPlatform.AppHost.Backends;

/// <summary>A server of this machine as a resource: the launcher of <c>Services/LocalServers</c>, started and stopped like any executable.</summary>
/// <param name="name">The resource's name.</param>
/// <param name="folder">The folder that the launcher starts in.</param>
/// <param name="connectionString">Makes the connection string from the server's port.</param>
internal sealed class LocalServerResource(string name, string folder, Func<EndpointReference, ReferenceExpression> connectionString)
    : ExecutableResource(name, "dotnet", folder), IResourceWithConnectionString
{
    /// <summary>The name of its endpoint.</summary>
    public const string EndpointName = "tcp";

    /// <summary>Where it listens: on 127.0.0.1.</summary>
    public EndpointReference Endpoint => new(this, EndpointName);

    /// <inheritdoc />
    public ReferenceExpression ConnectionStringExpression => connectionString(Endpoint);
}

/// <summary>A database of a server of this machine.</summary>
/// <param name="name">The resource's name, and the database's.</param>
/// <param name="parent">The server.</param>
internal sealed class LocalDatabaseResource(string name, LocalServerResource parent)
    : Resource(name), IResourceWithConnectionString, IResourceWithParent<LocalServerResource>
{
    /// <inheritdoc />
    public LocalServerResource Parent => parent;

    /// <inheritdoc />
    public ReferenceExpression ConnectionStringExpression => ReferenceExpression.Create($"{parent};Database={Name}");
}
