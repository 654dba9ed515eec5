using Npgsql;

namespace RagPlatform.ServiceDefaults.Connections;

/// <summary>What a failure of the database means for whoever asked it.</summary>
public enum DatabaseTrouble
{
    /// <summary>None of what follows: the statement itself, or a fault of ours.</summary>
    None,

    /// <summary>It is away, starting, stopping, failing over, full of connections, or a pooler in front of it says so: the same statement may succeed later.</summary>
    Away,

    /// <summary>Its disk is full: what writes fails until there is room, what only reads mostly goes on.</summary>
    DiskFull,

    /// <summary>A statement took longer than it may.</summary>
    TooSlow,
}

/// <summary>
/// The one place that says whether a failure of PostgreSQL passes by itself: as PostgreSQL, PgBouncer and other poolers and proxies say it, and as
/// clients wrap it.
/// </summary>
public static class DatabaseFailure
{
    /// <summary>What an exception says about the database.</summary>
    public static DatabaseTrouble Classify(Exception exception)
    {
        for (var e = exception; e is not null; e = e.InnerException)
        {
            switch (e)
            {
                case PostgresException refused:
                    return Classify(refused);
                case NpgsqlException { IsTransient: true } or NpgsqlException { InnerException: TimeoutException }:
                    return DatabaseTrouble.Away;
                case TimeoutException when e == exception:
                    return DatabaseTrouble.Away;
                case AggregateException { InnerExceptions: [var first, ..] }:
                    return Classify(first);
            }
        }

        return DatabaseTrouble.None;
    }

    /// <summary>Whether the same statement may succeed later, whatever it is about.</summary>
    public static bool IsTransient(Exception exception) => Classify(exception) is DatabaseTrouble.Away or DatabaseTrouble.DiskFull;

    private static DatabaseTrouble Classify(PostgresException refused) => refused.SqlState switch
    {
        PostgresErrorCodes.DiskFull => DatabaseTrouble.DiskFull,
        PostgresErrorCodes.QueryCanceled => DatabaseTrouble.TooSlow,

        // A standby that takes over is read-only until it has.
        PostgresErrorCodes.ReadOnlySqlTransaction => DatabaseTrouble.Away,

        // Connections (PgBouncer says 08P01 for whatever is wrong behind it), resources, and an operator who stops it.
        { } state when state.StartsWith("08", StringComparison.Ordinal) || state.StartsWith("53", StringComparison.Ordinal)
            || state.StartsWith("57P", StringComparison.Ordinal) => DatabaseTrouble.Away,
        _ => refused.IsTransient ? DatabaseTrouble.Away : DatabaseTrouble.None,
    };
}
