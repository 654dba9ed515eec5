using System.Globalization;
using Microsoft.Extensions.Configuration;

namespace RagPlatform.ServiceDefaults.Connections;

/// <summary>Where the cache is: a StackExchange.Redis connection string, and a password when it was configured apart from it.</summary>
/// <param name="ConnectionString">Endpoints and options.</param>
/// <param name="Password">The password, which may hold characters (a comma) that the connection string cannot express.</param>
internal sealed record CacheEndpoint(string ConnectionString, string? Password)
{
    private const int DefaultPort = 6379;

    /// <summary>
    /// Finds the cache: <c>ConnectionStrings:{name}</c>, else <c>REDIS_URL</c> (<c>redis://[user][:password]@host[:port][/database]</c>,
    /// <c>rediss://</c> for TLS), else <c>REDIS_HOST</c> with <c>REDIS_PORT</c> and <c>REDIS_PASSWORD</c>.
    /// </summary>
    /// <returns>The endpoint, or <see langword="null"/> when no cache is configured.</returns>
    /// <exception cref="InvalidOperationException"><c>REDIS_URL</c> or <c>REDIS_PORT</c> cannot be read.</exception>
    public static CacheEndpoint? Find(IConfiguration configuration, string connectionName)
    {
        if (configuration.GetConnectionString(connectionName) is { Length: > 0 } connectionString)
        {
            return new(connectionString, null);
        }

        if (configuration["REDIS_URL"] is { Length: > 0 } url)
        {
            return FromUrl(url);
        }

        if (configuration["REDIS_HOST"] is not { Length: > 0 } host)
        {
            return null;
        }

        var port = configuration["REDIS_PORT"] is { Length: > 0 } text ? ParsePort(text) : DefaultPort;
        return new(Endpoint(host, port), configuration["REDIS_PASSWORD"] is { Length: > 0 } password ? password : null);
    }

    private static CacheEndpoint FromUrl(string url)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Host.Length == 0
            || uri.Scheme is not ("redis" or "rediss" or "valkey" or "valkeys"))
        {
            // The value stays out of the message: it may hold the password.
            throw new InvalidOperationException("REDIS_URL is no redis:// or rediss:// address with a host.");
        }

        var connectionString = Endpoint(uri.Host, uri.IsDefaultPort ? DefaultPort : uri.Port);
        if (uri.Scheme is "rediss" or "valkeys")
        {
            connectionString += ",ssl=true";
        }

        if (uri.AbsolutePath.Trim('/') is { Length: > 0 } path)
        {
            if (!int.TryParse(path, NumberStyles.None, CultureInfo.InvariantCulture, out var database))
            {
                throw new InvalidOperationException("The path of REDIS_URL is no database number.");
            }

            connectionString += string.Create(CultureInfo.InvariantCulture, $",defaultDatabase={database}");
        }

        var separator = uri.UserInfo.IndexOf(':', StringComparison.Ordinal);
        var password = separator < 0 ? null : Uri.UnescapeDataString(uri.UserInfo[(separator + 1)..]);
        return new(connectionString, string.IsNullOrEmpty(password) ? null : password);
    }

    private static string Endpoint(string host, int port) => string.Create(CultureInfo.InvariantCulture, $"{host}:{port}");

    private static int ParsePort(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and < 65_536
            ? port
            : throw new InvalidOperationException($"REDIS_PORT is '{text}': it must be 1 to 65535.");
}
