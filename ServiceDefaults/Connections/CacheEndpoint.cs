using System.Globalization;
using System.Net;
using Microsoft.Extensions.Configuration;
using StackExchange.Redis;

namespace RagPlatform.ServiceDefaults.Connections;

/// <summary>Reads where the cache is.</summary>
internal static class CacheEndpoint
{
    private const int DefaultPort = 6379;

    /// <summary>
    /// Finds the cache: <c>ConnectionStrings:{name}</c>, else <c>REDIS_URL</c>, else <c>REDIS_HOST</c> with <c>REDIS_PORT</c>, <c>REDIS_USER</c> and
    /// <c>REDIS_PASSWORD</c>. The first two may be an address (<c>redis://[user][:password]@host[:port][/database]</c>, <c>rediss://</c> for TLS;
    /// user and password percent-encoded) or StackExchange.Redis' own format.
    /// </summary>
    /// <returns>The endpoint, or <see langword="null"/> when no cache is configured.</returns>
    /// <exception cref="InvalidOperationException">What is configured cannot be read. The message names the setting and never shows its value.</exception>
    public static ConfigurationOptions? Find(IConfiguration configuration, string connectionName)
    {
        foreach (var key in (ReadOnlySpan<string>)[$"ConnectionStrings:{connectionName}", "REDIS_URL"])
        {
            if (configuration[key] is { Length: > 0 } text)
            {
                return text.Contains("://", StringComparison.Ordinal) ? FromUrl(text, key) : FromString(text, key);
            }
        }

        if (configuration["REDIS_HOST"] is not { Length: > 0 } host)
        {
            return null;
        }

        var port = configuration["REDIS_PORT"] is { Length: > 0 } number ? ParsePort(number) : DefaultPort;
        var options = At(host, port);
        options.User = NullIfEmpty(configuration["REDIS_USER"]);
        options.Password = NullIfEmpty(configuration["REDIS_PASSWORD"]);
        return options;
    }

    private static ConfigurationOptions FromString(string text, string key)
    {
        try
        {
            var options = ConfigurationOptions.Parse(text);
            return options.EndPoints.Count > 0 ? options : throw Unreadable(key);
        }
        catch (ArgumentException exception)
        {
            // Its message repeats what it cannot read, which may be a part of a password with a comma in it.
            throw new InvalidOperationException(
                $"{key} is no connection string of StackExchange.Redis ('host:port,password=…'). A password with a comma fits into an address: "
                + "redis://:percent-encoded@host:port.",
                exception.InnerException);
        }
    }

    private static ConfigurationOptions FromUrl(string url, string key)
    {
        if (!Uri.TryCreate(url, UriKind.Absolute, out var uri) || uri.Host.Length == 0
            || uri.Scheme is not ("redis" or "rediss" or "valkey" or "valkeys"))
        {
            throw Unreadable(key);
        }

        if (uri.Query.Length > 1 || uri.Fragment.Length > 1)
        {
            throw new InvalidOperationException(
                $"{key} has something behind '?' or '#'. Parameters are not understood there, and in a password both are written %3F and %23.");
        }

        var options = At(uri.IdnHost, uri.IsDefaultPort || uri.Port < 0 ? DefaultPort : uri.Port);
        options.Ssl = uri.Scheme is "rediss" or "valkeys";
        if (uri.AbsolutePath.Trim('/') is { Length: > 0 } path)
        {
            options.DefaultDatabase = int.TryParse(path, NumberStyles.None, CultureInfo.InvariantCulture, out var database)
                ? database
                : throw new InvalidOperationException($"The path of {key} is no database number.");
        }

        var separator = uri.UserInfo.IndexOf(':', StringComparison.Ordinal);
        options.User = NullIfEmpty(Uri.UnescapeDataString(separator < 0 ? uri.UserInfo : uri.UserInfo[..separator]));
        options.Password = separator < 0 ? null : NullIfEmpty(Uri.UnescapeDataString(uri.UserInfo[(separator + 1)..]));
        return options;
    }

    private static ConfigurationOptions At(string host, int port)
    {
        var options = new ConfigurationOptions();
        options.EndPoints.Add(IPAddress.TryParse(host, out var address) ? new IPEndPoint(address, port) : new DnsEndPoint(host, port));
        return options;
    }

    private static int ParsePort(string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and < 65_536
            ? port
            : throw new InvalidOperationException($"REDIS_PORT is '{text}': it must be 1 to 65535.");

    // The value stays out of the message: it may hold the password.
    private static InvalidOperationException Unreadable(string key) =>
        new($"{key} is no redis:// or rediss:// address with a host, and no connection string 'host:port,password=…'.");

    private static string? NullIfEmpty(string? text) => string.IsNullOrEmpty(text) ? null : text;
}
