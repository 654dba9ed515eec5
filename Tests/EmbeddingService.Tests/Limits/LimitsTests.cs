using RagPlatform.EmbeddingService.Limits;
using RagPlatform.EmbeddingService.Tests.Infrastructure;

namespace RagPlatform.EmbeddingService.Tests.Limits;

public sealed class LimitsTests
{
    private readonly ManualTime _time = new();

    [Fact]
    public void Breaker_FailuresInARow_OpenItAndOneCallerProbes()
    {
        var breaker = new Breaker(3, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(4), _time);
        Assert.False(breaker.Failed());
        Assert.False(breaker.Failed());
        Assert.True(breaker.TryEnter());
        Assert.True(breaker.Failed());

        Assert.True(breaker.IsOpen);
        Assert.False(breaker.TryEnter());
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(breaker.TryEnter());
        Assert.False(breaker.TryEnter());
        Assert.True(breaker.Succeeded());
        Assert.False(breaker.IsOpen);
        Assert.True(breaker.TryEnter());
    }

    [Fact]
    public void Breaker_ProbeFails_PauseDoublesUpToItsMaximum()
    {
        var breaker = new Breaker(1, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3), _time);
        breaker.Failed();
        foreach (var pause in new[] { 1, 2, 3, 3 })
        {
            _time.Advance(TimeSpan.FromSeconds(pause) - TimeSpan.FromMilliseconds(1));
            Assert.False(breaker.TryEnter());
            _time.Advance(TimeSpan.FromMilliseconds(1));
            Assert.True(breaker.TryEnter());
            breaker.Failed();
        }
    }

    [Fact]
    public void Breaker_SuccessBetween_CountsFromTheBeginning()
    {
        var breaker = new Breaker(2, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3), _time);
        breaker.Failed();
        Assert.False(breaker.Succeeded());
        Assert.False(breaker.Failed());
        Assert.False(breaker.IsOpen);
    }

    [Fact]
    public void Breaker_ProbeAbandoned_TheNextMayProbe()
    {
        var breaker = new Breaker(1, TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(3), _time);
        breaker.Failed();
        _time.Advance(TimeSpan.FromSeconds(1));
        Assert.True(breaker.TryEnter());
        breaker.Abandoned();

        Assert.True(breaker.TryEnter());
    }

    [Fact]
    public void RateWindow_Requests_NeverMoreThanAllowedInAnyMinute()
    {
        var window = new RateWindow(100, 0, _time);
        var random = new Random(3);
        var taken = new List<DateTimeOffset>();
        for (var i = 0; i < 3_000; i++)
        {
            _time.Advance(TimeSpan.FromMilliseconds(random.Next(0, 300)));
            if (window.TryTake(1) == TimeSpan.Zero)
            {
                taken.Add(_time.GetUtcNow());
            }
        }

        Assert.All(taken, at => Assert.InRange(taken.Count(other => other >= at && other < at.AddMinutes(1)), 1, 100));
        Assert.True(taken.Count > 500);
    }

    [Fact]
    public void RateWindow_Full_SaysWhenToAskAgain()
    {
        var window = new RateWindow(0, 1_000, _time);
        Assert.Equal(TimeSpan.Zero, window.TryTake(700));
        var wait = window.TryTake(400);

        Assert.InRange(wait, TimeSpan.FromSeconds(59), TimeSpan.FromSeconds(61));
        Assert.Equal(TimeSpan.Zero, window.TryTake(300));
        _time.Advance(wait);
        Assert.Equal(TimeSpan.Zero, window.TryTake(400));
    }

    [Fact]
    public void RateWindow_MoreTokensThanAMinuteHas_AreTakenAsAMinute()
    {
        var window = new RateWindow(0, 1_000, _time);

        Assert.Equal(TimeSpan.Zero, window.TryTake(5_000));
        Assert.NotEqual(TimeSpan.Zero, window.TryTake(1));
    }

    [Theory]
    [InlineData("", 1)]
    [InlineData("a", 1)]
    [InlineData("hello world, this is a text", 9)]
    [InlineData("日本語", 3)]
    public void TokenEstimate_Text_IsARoughUpperBound(string text, int tokens) => Assert.Equal(tokens, TokenEstimate.Of(text));

    [Fact]
    public void TokenEstimate_Share_AddsUp()
    {
        var random = new Random(5);
        for (var i = 0; i < 1_000; i++)
        {
            var estimates = Enumerable.Range(0, random.Next(1, 20)).Select(_ => random.Next(1, 500)).ToArray();
            var total = random.Next(0, 10_000);

            Assert.Equal(total, TokenEstimate.Share(total, estimates).Sum());
        }
    }
}
