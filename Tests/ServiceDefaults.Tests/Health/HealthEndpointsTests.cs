using System.Net;
using System.Text.Json.Nodes;
using Microsoft.AspNetCore.Builder;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Diagnostics.HealthChecks;
using RagPlatform.ServiceDefaults.Health;

namespace RagPlatform.ServiceDefaults.Tests.Health;

public sealed class HealthEndpointsTests
{
    [Theory]
    [InlineData(HealthStatus.Healthy, HttpStatusCode.OK)]
    [InlineData(HealthStatus.Degraded, HttpStatusCode.OK)]
    [InlineData(HealthStatus.Unhealthy, HttpStatusCode.ServiceUnavailable)]
    public async Task Health_OneCheck_DecidesTheStatus(HealthStatus status, HttpStatusCode expected)
    {
        await using var app = await StartAsync(() => new(status, "So it is."));

        using var response = await app.Client.GetAsync("/health", TestContext.Current.CancellationToken);

        Assert.Equal(expected, response.StatusCode);
        var body = JsonNode.Parse(await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken));
        Assert.Equal(status.ToString(), (string?)body?["status"]);
        var check = body?["checks"]?.AsArray().Single(node => (string?)node?["name"] == "dependency");
        Assert.Equal("So it is.", (string?)check?["description"]);
    }

    // A process that is sound must not be restarted because its database is away.
    [Fact]
    public async Task Alive_DependencyUnhealthy_StaysOk()
    {
        await using var app = await StartAsync(() => HealthCheckResult.Unhealthy());

        using var response = await app.Client.GetAsync("/alive", TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.OK, response.StatusCode);
    }

    [Fact]
    public async Task Health_CheckThatThrows_TellsNothingOfTheException()
    {
        await using var app = await StartAsync(() => throw new InvalidOperationException("Host=db;Password=secret"));

        using var response = await app.Client.GetAsync("/health", TestContext.Current.CancellationToken);

        Assert.Equal(HttpStatusCode.ServiceUnavailable, response.StatusCode);
        Assert.DoesNotContain(
            "secret", await response.Content.ReadAsStringAsync(TestContext.Current.CancellationToken), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Health_WhileItStops_SaysSoAndRequestsAreStillAnswered()
    {
        var time = new ManualTime();
        await using var app = await TestApp.StartAsync([], builder => builder.Services.AddSingleton<TimeProvider>(time), app => app.MapGet("/x", () => "x"));
        var drain = app.Services.GetRequiredService<Drain>();
        drain.IsOwnProcess = true;

        var stopping = drain.StoppingAsync(TestContext.Current.CancellationToken);

        using var health = await app.Client.GetAsync("/health", TestContext.Current.CancellationToken);
        using var alive = await app.Client.GetAsync("/alive", TestContext.Current.CancellationToken);
        Assert.Equal((HttpStatusCode.ServiceUnavailable, HttpStatusCode.OK), (health.StatusCode, alive.StatusCode));
        Assert.Equal("x", await app.Client.GetStringAsync("/x", TestContext.Current.CancellationToken));
        Assert.False(stopping.IsCompleted);
        time.Advance(new DrainOptions().DrainDelay);
        await stopping;
    }

    private static Task<TestApp> StartAsync(Func<HealthCheckResult> check) =>
        TestApp.StartAsync([], builder => builder.Services.AddHealthChecks().AddCheck("dependency", check));
}
