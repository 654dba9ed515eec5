using RagPlatform.ServiceDefaults.Connections;

namespace RagPlatform.ServiceDefaults.Tests.Connections;

public sealed class CacheBreakerTests
{
    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(1);

    private readonly ManualTime _time = new();
    private readonly CacheBreaker _breaker;

    public CacheBreakerTests() => _breaker = new CacheBreaker(s_pause, _time);

    [Fact]
    public void Failed_InARow_OpensWhateverWasAnsweredBefore()
    {
        for (var i = 0; i < 1_000; i++)
        {
            Assert.True(_breaker.TryEnter());
            _breaker.Succeeded();
        }

        Fail(CacheBreaker.Failures - 1);
        Assert.False(_breaker.IsOpen);
        Fail(1);

        Assert.True(_breaker.IsOpen);
        Assert.False(_breaker.TryEnter());
    }

    [Fact]
    public void Succeeded_Between_BeginsTheRowAnew()
    {
        Fail(CacheBreaker.Failures - 1);
        _breaker.Succeeded();
        Fail(CacheBreaker.Failures - 1);

        Assert.False(_breaker.IsOpen);
    }

    [Fact]
    public void TryEnter_AfterThePause_LetsOneTryAndItsSuccessClose()
    {
        Fail(CacheBreaker.Failures);
        _time.Advance(s_pause);

        Assert.True(_breaker.TryEnter());
        Assert.False(_breaker.TryEnter());
        Assert.True(_breaker.IsOpen);
        _breaker.Succeeded();

        Assert.False(_breaker.IsOpen);
        Assert.True(_breaker.TryEnter());
    }

    [Fact]
    public void Failed_TheOneThatTries_BeginsThePauseAnew()
    {
        Fail(CacheBreaker.Failures);
        _time.Advance(s_pause);
        Assert.True(_breaker.TryEnter());
        _breaker.Failed();

        _time.Advance(s_pause / 2);
        Assert.False(_breaker.TryEnter());
        _time.Advance(s_pause / 2);
        Assert.True(_breaker.TryEnter());
    }

    [Fact]
    public void Failed_SentBeforeItOpened_DoesNotProlongThePause()
    {
        Fail(CacheBreaker.Failures);
        _time.Advance(s_pause / 2);
        Fail(3);
        _time.Advance(s_pause / 2);

        Assert.True(_breaker.TryEnter());
    }

    [Fact]
    public void Abandoned_TheOneThatTries_LetsAnotherTry()
    {
        Fail(CacheBreaker.Failures);
        _time.Advance(s_pause);
        Assert.True(_breaker.TryEnter());
        _breaker.Abandoned();

        Assert.True(_breaker.TryEnter());
    }

    private void Fail(int times)
    {
        for (var i = 0; i < times; i++)
        {
            _breaker.Failed();
        }
    }
}
