using RagPlatform.Integration.Tests.Infrastructure;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Indexing;

public sealed class SchemaMigrationTests(Backends backends, TestDatabase database) : IClassFixture<TestDatabase>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task Migrate_DatabaseOfAnEarlierVersion_KeepsItsDocumentsAndMeasuresThemLater()
    {
        _ = database.ConnectionString;
        await using var dataSource = StorageDataSource.Create(await backends.CreateDatabaseAsync(migrated: false));
        var before = SchemaFile.All.Where(f => string.CompareOrdinal(f.Name, "0011") < 0).ToList();
        Assert.Equal(10, (await SchemaMigrator.MigrateAsync(dataSource, before, Cancelled)).Count);
        await using (var put = dataSource.CreateCommand("""
            INSERT INTO workspaces (name, language, chunk_strategy, chunk_target, chunk_overlap) VALUES ('old', 'simple', 'markdown', 1200, 200);
            INSERT INTO generations (workspace_id) SELECT workspace_id FROM workspaces;
            INSERT INTO documents (workspace_id, document_id, title, text) SELECT workspace_id, 'd', '', 'twelve chars' FROM workspaces
            """))
        {
            await put.ExecuteNonQueryAsync(Cancelled);
        }

        Assert.Contains("0012_lanes.sql", await SchemaMigrator.MigrateAsync(dataSource, SchemaFile.All, Cancelled));
        Assert.Empty(await SchemaMigrator.MigrateAsync(dataSource, SchemaFile.All, Cancelled));

        var documents = new DocumentStore(dataSource);
        Assert.Equal(12, Assert.Single(await documents.ListAsync(1, "", 10, Cancelled)).TextLength);
        var (revision, changes) = await StateAsync();
        Assert.Equal(1, await documents.MeasureAsync(10, Cancelled));
        Assert.Equal(0, await documents.MeasureAsync(10, Cancelled));
        Assert.Equal((revision, changes), await StateAsync());
        Assert.Equal(12, Assert.Single(await documents.ListAsync(1, "", 10, Cancelled)).TextLength);

        async Task<(long Generation, long Changes)> StateAsync()
        {
            await using var command = dataSource.CreateCommand("SELECT generation, (SELECT count(*) FROM documents_changes) FROM generations");
            await using var reader = await command.ExecuteReaderAsync(Cancelled);
            await reader.ReadAsync(Cancelled);
            return (reader.GetInt64(0), reader.GetInt64(1));
        }
    }

    [Fact]
    public async Task Migrate_FunctionsOfAnotherVersion_AreReplacedByNewerOnesOnly()
    {
        var (numbered, functions) = (SchemaFile.All.SkipLast(1).ToList(), SchemaFile.All[^1]);
        Assert.StartsWith("functions.sql#", functions.Name, StringComparison.Ordinal);
        SchemaFile newer = new("functions.sql#1000", functions.Sql + "\n-- Newer.");

        Assert.Equal([newer.Name], await SchemaMigrator.MigrateAsync(database.DataSource, [.. numbered, newer], Cancelled));
        await Assert.ThrowsAsync<SchemaMismatchException>(() => SchemaMigrator.MigrateAsync(database.DataSource, SchemaFile.All, Cancelled));
        await Assert.ThrowsAsync<SchemaMismatchException>(
            () => SchemaMigrator.MigrateAsync(database.DataSource, [.. numbered, new SchemaFile(newer.Name, functions.Sql)], Cancelled));
    }
}
