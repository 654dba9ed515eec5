using Npgsql;

namespace RagPlatform.ServiceDefaults.Connections;

/// <summary>Reads where PostgreSQL is: Npgsql's own format (<c>Host=…;Port=…</c>), or an address as libpq and most platforms write it.</summary>
public static class PostgresAddress
{
    /// <summary>Turns <c>postgresql://[user][:password]@host[:port][/database][?parameter=value]</c> into Npgsql's format; leaves that as it is.</summary>
    /// <param name="text">What is configured. User, password and database of an address are percent-encoded.</param>
    /// <param name="key">The setting it is from, for the message.</param>
    /// <exception cref="InvalidOperationException">It cannot be read. The message never shows its value.</exception>
    public static string ToConnectionString(string text, string key)
    {
        ArgumentNullException.ThrowIfNull(text);
        if (!text.StartsWith("postgres://", StringComparison.OrdinalIgnoreCase) && !text.StartsWith("postgresql://", StringComparison.OrdinalIgnoreCase))
        {
            return text;
        }

        if (!Uri.TryCreate(text, UriKind.Absolute, out var uri) || uri.Host.Length == 0)
        {
            throw new InvalidOperationException($"{key} is no postgresql://user:password@host:port/database address.");
        }

        var builder = new NpgsqlConnectionStringBuilder { Host = uri.IdnHost };
        if (uri.Port > 0)
        {
            builder.Port = uri.Port;
        }

        var separator = uri.UserInfo.IndexOf(':', StringComparison.Ordinal);
        var user = Uri.UnescapeDataString(separator < 0 ? uri.UserInfo : uri.UserInfo[..separator]);
        builder.Username = user.Length > 0 ? user : null;
        builder.Password = separator < 0 ? null : Uri.UnescapeDataString(uri.UserInfo[(separator + 1)..]);
        builder.Database = uri.AbsolutePath.TrimStart('/') is { Length: > 0 } database ? Uri.UnescapeDataString(database) : null;
        foreach (var parameter in uri.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries))
        {
            var equals = parameter.IndexOf('=', StringComparison.Ordinal);
            Set(builder, Uri.UnescapeDataString(parameter[..(equals < 0 ? parameter.Length : equals)]), equals < 0 ? "" : Uri.UnescapeDataString(parameter[(equals + 1)..]), key);
        }

        return builder.ConnectionString;
    }

    // libpq's names: application_name, sslmode=verify-full. Npgsql writes them with a space, and the value as VerifyFull.
    private static void Set(NpgsqlConnectionStringBuilder builder, string name, string value, string key)
    {
        try
        {
            switch (name)
            {
                case "connect_timeout":
                    builder["Timeout"] = value;
                    break;
                case "sslmode":
                    builder["SSL Mode"] = value.Replace("-", "", StringComparison.Ordinal);
                    break;
                case "sslrootcert":
                    builder.RootCertificate = value;
                    break;
                case "sslcert":
                    builder.SslCertificate = value;
                    break;
                case "sslkey":
                    builder.SslKey = value;
                    break;
                case "target_session_attrs":
                    builder.TargetSessionAttributes = value;
                    break;
                default:
                    builder[name.Replace('_', ' ')] = value;
                    break;
            }
        }
        catch (Exception exception) when (exception is ArgumentException or FormatException or InvalidCastException or OverflowException)
        {
            throw new InvalidOperationException($"{key} has the parameter '{name}', which is not known here, or its value is not.");
        }
    }
}
