using Npgsql;

namespace RagPlatform.Storage;

/// <summary>Connections to PostgreSQL that know the types of pgvector, for those that services do not have from the container.</summary>
public static class StorageDataSource
{
    /// <summary>A pool of connections of its own. Nothing connects before the first use.</summary>
    /// <param name="connectionString">In Npgsql's format.</param>
    public static NpgsqlDataSource Create(string connectionString)
    {
        var builder = new NpgsqlDataSourceBuilder(connectionString);
        builder.UseVector();
        return builder.Build();
    }
}
