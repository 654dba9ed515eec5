using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Options;
using Npgsql;
using RagPlatform.Contracts;
using RagPlatform.EmbeddingService.Budgets;
using RagPlatform.EmbeddingService.Gateway;
using RagPlatform.EmbeddingService.Registry;
using RagPlatform.Storage;

namespace RagPlatform.EmbeddingService.Tests.Budgets;

public sealed class BudgetGateTests : IAsyncDisposable
{
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly NpgsqlDataSource _nowhere = NpgsqlDataSource.Create("Host=127.0.0.1;Port=1");

    [Fact]
    public async Task Reserve_BudgetsWereNeverRead_RefusesWorkspacesAndNobodyElse()
    {
        using var gate = Create(new EmbeddingBudgetStore(_nowhere));

        var refused = await Assert.ThrowsAsync<BudgetException>(() => gate.ReserveAsync(Call("w"), 1, TestContext.Current.CancellationToken).AsTask());
        Assert.Equal(503, refused.ToGatewayException().Status);
        await using var free = await gate.ReserveAsync(Call(""), 1, TestContext.Current.CancellationToken);
        Assert.Equal(Guid.Empty, free.Id);
    }

    [Fact]
    public async Task Reserve_NoDatabase_LetsThrough()
    {
        using var gate = Create(null);

        await using var free = await gate.ReserveAsync(Call("w"), 1, TestContext.Current.CancellationToken);

        Assert.Equal(Guid.Empty, free.Id);
    }

    public async ValueTask DisposeAsync()
    {
        await _nowhere.DisposeAsync();
        await _services.DisposeAsync();
    }

    private BudgetGate Create(EmbeddingBudgetStore? store) => new(
        Options.Create(new BudgetOptions()), TimeProvider.System, _services.GetRequiredService<IMeterFactory>(), NullLogger<BudgetGate>.Instance, store);

    private static EmbeddingCall Call(string workspace)
    {
        var definition = new ModelDefinition("m", "custom", new("m", "", 8), 1m, "");
        return new EmbeddingCall(new ModelSpace(new ServedModel(definition, []), definition.Space), ["t"], EmbeddingInput.Document, true, workspace, "");
    }
}
