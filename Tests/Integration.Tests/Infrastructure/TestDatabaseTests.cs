using System.Net.Sockets;
using System.Text;
using Npgsql;
using RagPlatform.Storage;

namespace RagPlatform.Integration.Tests.Infrastructure;

public sealed class TestDatabaseTests(TestDatabase database, Backends backends) : IClassFixture<TestDatabase>
{
    private static CancellationToken Cancelled => TestContext.Current.CancellationToken;

    [Fact]
    public async Task ConnectionString_OfAClass_HasTheSchemaAndNoRows()
    {
        await using var command = database.DataSource.CreateCommand("SELECT count(*) FROM workspaces");

        Assert.Equal(0L, await command.ExecuteScalarAsync(Cancelled));
    }

    [Fact]
    public async Task CreateDatabase_Twice_GivesDatabasesThatDoNotSeeEachOther()
    {
        await using var first = StorageDataSource.Create(await backends.CreateDatabaseAsync());
        await using var second = StorageDataSource.Create(await backends.CreateDatabaseAsync());
        await using var create = first.CreateCommand("CREATE TABLE only_here (id int)");
        await create.ExecuteNonQueryAsync(Cancelled);
        await using var find = second.CreateCommand("SELECT to_regclass('only_here') IS NULL");

        Assert.Equal(true, await find.ExecuteScalarAsync(Cancelled));
    }

    [Fact]
    public async Task CacheConnectionString_OfAClass_IsAValkeyThatEvicts()
    {
        var fields = database.CacheConnectionString.Split(',');
        var (host, port) = (fields[0].Split(':')[0], int.Parse(fields[0].Split(':')[1], null));
        using var client = new TcpClient();
        await client.ConnectAsync(host, port, Cancelled);
        await using var stream = client.GetStream();
        using var reader = new StreamReader(stream);
        var password = fields.First(field => field.StartsWith("password=", StringComparison.Ordinal))["password=".Length..];
        await stream.WriteAsync(Encoding.ASCII.GetBytes($"AUTH {password}\r\nCONFIG GET maxmemory-policy\r\n"), Cancelled);

        List<string?> answer = [];
        for (var line = 0; line < 6; line++)
        {
            answer.Add(await reader.ReadLineAsync(Cancelled));
        }

        Assert.Contains("allkeys-lru", answer);
    }
}
