using System.ComponentModel.DataAnnotations;
using System.Data.Common;
using Microsoft.Extensions.Options;
using Npgsql;

namespace RagPlatform.ServiceDefaults.Connections;

/// <summary>
/// The connection pool of one service. Section <c>Postgres</c>. What the connection string itself says (for example
/// <c>Maximum Pool Size=40</c>) wins over all of it.
/// </summary>
public sealed class PostgresOptions : IValidatableObject
{
    /// <summary>The configuration section.</summary>
    public const string Section = "Postgres";

    /// <summary>How many connections are kept open when idle.</summary>
    /// <value>0 to 100. The default is 5.</value>
    [Range(0, 100)]
    public int MinPoolSize { get; set; } = 5;

    /// <summary>The most connections. A further caller waits for one, at most <see cref="ConnectTimeout"/>.</summary>
    /// <value>1 to 1,000. The default is 20.</value>
    [Range(1, 1_000)]
    public int MaxPoolSize { get; set; } = 20;

    /// <summary>How long a connection above <see cref="MinPoolSize"/> may be idle before it is closed.</summary>
    /// <value>1 second to 1 hour, in whole seconds. The default is 30 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan IdleLifetime { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>How long to wait for a connection, whether for the server's answer or for a free place in the pool.</summary>
    /// <value>1 to 60 seconds, in whole seconds. The default is 2 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:01", "00:01:00")]
    public TimeSpan ConnectTimeout { get; set; } = TimeSpan.FromSeconds(2);

    /// <summary>How long a command may take, where its code does not say otherwise.</summary>
    /// <value>1 second to 1 hour, in whole seconds. The default is 30 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:01", "01:00:00")]
    public TimeSpan CommandTimeout { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>After how much silence the system asks the other side whether the connection still lives (TCP keepalive).</summary>
    /// <value>1 second to 2 hours, in whole seconds. The default is 30 seconds.</value>
    [Range(typeof(TimeSpan), "00:00:01", "02:00:00")]
    public TimeSpan KeepAlive { get; set; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// How many statements a connection prepares by itself. Behind PgBouncer in transaction mode this needs PgBouncer 1.21 or newer.
    /// </summary>
    /// <value>0 to 500. The default is 0: nothing is prepared.</value>
    [Range(0, 500)]
    public int MaxAutoPrepare { get; set; }

    /// <inheritdoc/>
    public IEnumerable<ValidationResult> Validate(ValidationContext validationContext)
    {
        if (MinPoolSize > MaxPoolSize)
        {
            yield return new(
                $"{nameof(MinPoolSize)} ({MinPoolSize}) is above {nameof(MaxPoolSize)} ({MaxPoolSize}).", [nameof(MinPoolSize)]);
        }
    }

    /// <summary>Writes these figures into a connection string, except those that it already states.</summary>
    /// <param name="target">What will be used.</param>
    /// <param name="stated">The connection string as it was configured.</param>
    internal void ApplyTo(NpgsqlConnectionStringBuilder target, string stated)
    {
        var keys = StatedKeys(stated);
        Apply(() => target.MinPoolSize = MinPoolSize, "minimumpoolsize", "minpoolsize");
        Apply(() => target.MaxPoolSize = MaxPoolSize, "maximumpoolsize", "maxpoolsize");
        Apply(() => target.ConnectionIdleLifetime = (int)IdleLifetime.TotalSeconds, "connectionidlelifetime");
        Apply(() => target.Timeout = (int)ConnectTimeout.TotalSeconds, "timeout");
        Apply(() => target.CommandTimeout = (int)CommandTimeout.TotalSeconds, "commandtimeout");

        // How long a command that was cancelled may still take before its connection is closed. Milliseconds.
        Apply(() => target.CancellationTimeout = 500, "cancellationtimeout");
        Apply(() => target.TcpKeepAlive = true, "tcpkeepalive");
        Apply(() => target.TcpKeepAliveTime = (int)KeepAlive.TotalSeconds, "tcpkeepalivetime");
        Apply(() => target.MaxAutoPrepare = MaxAutoPrepare, "maxautoprepare");

        // We hold no session state outside a transaction, so there is nothing to reset, and PgBouncer in transaction mode would refuse it.
        Apply(() => target.NoResetOnClose = true, "noresetonclose");

        void Apply(Action set, params ReadOnlySpan<string> synonyms)
        {
            foreach (var synonym in synonyms)
            {
                if (keys.Contains(synonym))
                {
                    return;
                }
            }

            set();
        }
    }

    // NpgsqlConnectionStringBuilder.ContainsKey is true for every keyword that it knows, so the plain parser has to say what is written.
    private static HashSet<string> StatedKeys(string connectionString)
    {
        var parsed = new DbConnectionStringBuilder { ConnectionString = connectionString };
        return [.. parsed.Keys.Cast<string>().Select(key => key.Replace(" ", "", StringComparison.Ordinal).ToLowerInvariant())];
    }
}

/// <summary>Validates <see cref="PostgresOptions"/> by its attributes and <see cref="PostgresOptions.Validate"/>.</summary>
[OptionsValidator]
internal sealed partial class PostgresOptionsValidator : IValidateOptions<PostgresOptions>;
