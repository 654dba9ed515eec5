using RagPlatform.ServiceDefaults.Health;

namespace RagPlatform.ServiceDefaults.Tests.Health;

public sealed class StateLogTests
{
    private readonly ManualTime _time = new();
    private readonly List<string> _lines = [];
    private readonly StateLog<bool> _log;

    public StateLogTests() => _log = new StateLog<bool>(true, _time, (state, reason, changes) => _lines.Add($"{state} {reason} {changes}"));

    [Fact]
    public void Report_AwayAndBack_IsSaidAtOnce()
    {
        _log.Report(true);
        _log.Report(false, "why");
        _log.Report(false, "another");
        _log.Report(true);

        Assert.Equal(["False why 1", "True  1"], _lines);
    }

    [Fact]
    public void Report_ChangesOften_IsOneLineAMinuteWithTheCountAndTheStateAtItsEnd()
    {
        for (var i = 0; i < 20; i++)
        {
            _log.Report(i % 2 == 1, "r");
        }

        Assert.Equal(["False r 1", "True r 1"], _lines);
        _time.Advance(StateLog<bool>.Interval);
        Assert.Equal("True r 18", _lines[^1]);

        _log.Report(false, "once more");
        Assert.Equal(3, _lines.Count);
        _time.Advance(StateLog<bool>.Interval);
        Assert.Equal("False once more 1", _lines[^1]);
    }

    [Fact]
    public void Report_QuietForAMinute_SaysTheNextChangeAtOnce()
    {
        for (var i = 0; i < 3; i++)
        {
            _log.Report(i % 2 == 1, "r");
        }

        _time.Advance(StateLog<bool>.Interval);
        _time.Advance(StateLog<bool>.Interval);
        _log.Report(true);

        Assert.Equal(["False r 1", "True r 1", "False r 1", "True  1"], _lines);
    }
}
